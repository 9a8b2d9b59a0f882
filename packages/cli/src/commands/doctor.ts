/** `underpass doctor`: what works between this machine and a relay, what does not, and why. */
import { lookup } from 'node:dns/promises';
import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Target } from '@underpass/forward';
import { monotonicMs, probePort, unixTimeMs } from '@underpass/runtime';
import { CliError, usageError } from '../cli-error.js';
import type { ClientConfig } from '../config/client-config.js';
import { noRelayGiven, savedRelay } from '../config/saved-relays.js';
import { examine } from '../doctor/examine.js';
import { openPatient } from '../doctor/patient.js';
import { found, passed, type StepResult } from '../doctor/step.js';
import { ExitCode } from '../exit-code.js';
import type { HostPort } from '../host-port.js';
import { requireOutput } from '../terminal.js';
import { clientConfigFrom } from './client.js';
import { DoctorOutput } from './doctor-output.js';

/** How many targets are tried. */
export const MAX_DOCTOR_TARGETS = 32;

export interface DoctorFlags {
  readonly config?: string;
  readonly relay?: HostPort;
  readonly relayKey?: Uint8Array;
  readonly key?: string;
  readonly presharedKey?: string;
  readonly target?: readonly Target[];
  /** In seconds. */
  readonly wait: number;
  readonly json?: boolean;
}

/** @param name  of a saved relay; undefined if options say which relay
 *  @returns the exit code */
export async function runDoctor(name: string | undefined, flags: DoctorFlags): Promise<ExitCode> {
  const output = new DoctorOutput(flags.json === true);
  let exitCode: ExitCode = ExitCode.ok;
  try {
    for await (const result of steps(name, flags, output)) {
      output.print(result);
      if (result.status === 'failed') exitCode = ExitCode.failure;
    }
  } catch (error) {
    output.breakOff();
    throw error;
  }
  output.end(exitCode === ExitCode.ok);
  await requireOutput();
  return exitCode;
}

async function* steps(
  name: string | undefined,
  flags: DoctorFlags,
  output: DoctorOutput,
): AsyncGenerator<StepResult> {
  const given = flags.config ?? flags.relay ?? flags.relayKey ?? flags.key ?? flags.presharedKey;
  if (name !== undefined && given !== undefined) {
    throw usageError("a relay's name cannot be combined with other options for it", 'give one or the other');
  }
  if (name === undefined && given === undefined) {
    throw noRelayGiven('--config FILE, or --relay, --relay-key and --key');
  }
  const file = name === undefined ? flags.config : savedRelay(name).file;
  let config: ClientConfig;
  try {
    config = clientConfigFrom({ ...flags, ...(file !== undefined && { config: file }) });
  } catch (error) {
    if (!(error instanceof CliError) || error.exitCode !== ExitCode.config) throw error;
    const lines = error.hint === '' ? error.message : `${error.message}: ${error.hint}`;
    yield found('config', 'config-wrong', lines);
    return;
  }
  yield passed('config', `${file ?? 'the command line'} is valid`);
  const files = [file, flags.key].filter((path) => path !== undefined);
  yield* examine({
    config,
    files: files.map((path) => ({ file: path, atMs: statSync(path).mtimeMs })),
    targets: targetsOf(config, flags),
    waitMs: flags.wait * 1000,
    openPatient: () => openPatient(config, name ?? config.relay.host),
    tools: {
      now: monotonicMs,
      unixTimeMs,
      sleep,
      lookUp: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
      probePort,
    },
    onProgress: (text) => output.progress(text),
  });
}

/** Those on the command line, and then those of the forwards whose target is known beforehand. */
export function targetsOf(
  { forwards }: Pick<ClientConfig, 'forwards'>,
  { target = [] }: Pick<DoctorFlags, 'target'>,
): readonly Target[] {
  const ofForwards = forwards.flatMap((forward) =>
    forward.kind === 'local' || forward.kind === 'udp' ? [forward.target] : [],
  );
  const all: readonly Target[] = [...target, ...ofForwards];
  const different = new Map(all.map((each) => [JSON.stringify(each), each]));
  return [...different.values()].slice(0, MAX_DOCTOR_TARGETS);
}
