/** `underpass invite`: makes a link with which one client can enrol. */
import { randomBytes } from 'node:crypto';
import { type AllowRule, formatInviteLink, type MaxRate, oneTimeKeys } from '@underpass/forward';
import encodeQr from 'qr';
import { CliError, systemReason, usageError } from '../cli-error.js';
import { isPeerName } from '../config/fields.js';
import { type PeerRules, rulesText } from '../config/peer-rules.js';
import { runningRelay } from '../control/ask-relay.js';
import { ExitCode } from '../exit-code.js';
import { type HostPort, parseHostPort, parseListenAddress } from '../host-port.js';
import { DEFAULT_INVITE_MS, INVITE_GRACE_MS, MAX_INVITES, NAME_WORDS } from '../limits.js';
import { publicKeyOf } from '../public-key.js';
import { addInvite, removeStored, sweepStore } from '../store/store-changes.js';
import { printErrorLine, printLine, settleOutput, usesColor } from '../terminal.js';
import { ownEndpoint } from './own-endpoint.js';
import { listenRules, type RelayFiles, readRelayFiles, tellRelay } from './relay-files.js';
import { minuteText } from './time-text.js';

/** How much light border scanners need around a QR code (ISO/IEC 18004 §5.3.8). */
const QUIET_MODULES = 4;

/** The options of the command line. */
export interface InviteFlags {
  readonly allow?: readonly AllowRule[];
  readonly allowListen?: readonly string[];
  readonly maxRate?: MaxRate;
  /** Milliseconds. */
  readonly expires?: number;
  readonly endpoint?: HostPort;
  readonly qr?: boolean;
  readonly config?: string;
}

export async function runInvite(name: string, flags: InviteFlags, nowMs = Date.now()): Promise<void> {
  const { allow = [], expires = DEFAULT_INVITE_MS } = flags;
  const allowListen = listenRules(flags.allowListen, '--allow-listen');
  if (!isPeerName(name)) {
    throw usageError(`'${name}' cannot be a peer's name`, `expected ${NAME_WORDS}`);
  }
  if (allow.length === 0 && allowListen.length === 0) {
    throw usageError(`nothing is allowed for ${name}`, 'say what it may reach: --allow HOST:PORT');
  }
  const files = readRelayFiles(flags.config);
  makeRoom(files, name, nowMs);
  const endpoint = flags.endpoint ?? (await endpointOf(files));
  const expiresAtMs = nowMs + expires;
  const rules = { allow, allowListen, ...(flags.maxRate && { maxRate: flags.maxRate }) };
  const link = newInvite(files, name, rules, endpoint, expiresAtMs);
  try {
    await tellRelay(files.file);
    await deliver(link, flags.qr);
  } catch (error) {
    // Nobody has the link, so nobody could use the invite, and it would keep the name taken.
    removeStored(files.store, name);
    throw error;
  }
  printErrorLine(
    `underpass: ${name} ${rulesText(rules)}; the link works once, until ${minuteText(expiresAtMs)}, and anybody who sees it before can use it`,
  );
}

/** Prints the link. @throws CliError if it could not be written: the link exists nowhere else */
async function deliver(link: string, withQr = false): Promise<void> {
  if (withQr) printLine(qrText(link));
  printLine(link);
  const failure = await settleOutput();
  if (failure === undefined) return;
  throw new CliError(
    ExitCode.failure,
    `cannot write the link to standard output: ${systemReason(failure)}`,
    'the invite was withdrawn: run the command again where its output can be written',
    { cause: failure },
  );
}

/** @returns the link */
function newInvite(
  { config, store }: RelayFiles,
  name: string,
  rules: PeerRules,
  endpoint: HostPort,
  expiresAtMs: number,
): string {
  const secret = randomBytes(32);
  const { privateKey, presharedKey } = oneTimeKeys(secret, config.publicKey);
  const invite = { publicKey: publicKeyOf(privateKey), presharedKey, expiresAtMs };
  privateKey.fill(0);
  const isAdded = addInvite(store, name, rules, invite);
  presharedKey.fill(0);
  if (!isAdded) throw taken(name, 'another command has just invited it');
  const link = formatInviteLink({ endpoint, relayPublicKey: config.publicKey, secret });
  secret.fill(0);
  return link;
}

/** Removes invites that are over, and makes sure that there is room for one of this name.
 *  @throws CliError if the name is taken, or there are too many invites */
export function makeRoom({ file, config, store, stored }: RelayFiles, name: string, nowMs: number): void {
  sweepStore(store, nowMs);
  let invites = 0;
  for (const peer of stored) {
    const isOver = nowMs >= peer.invite.expiresAtMs;
    const isForgotten = nowMs >= peer.invite.expiresAtMs + INVITE_GRACE_MS;
    if (peer.enrolled === undefined && (isForgotten || (isOver && peer.name === name))) {
      removeStored(store, peer.name);
      continue;
    }
    if (peer.name === name) {
      const what =
        peer.enrolled === undefined
          ? `it is invited until ${minuteText(peer.invite.expiresAtMs)}`
          : 'it is enrolled';
      throw taken(name, what);
    }
    if (!isForgotten) invites++;
  }
  if (config.peers.some((peer) => peer.name === name)) {
    throw new CliError(ExitCode.failure, `${name} is a [[peer]] of ${file} already`, 'choose another name');
  }
  if (invites >= MAX_INVITES) {
    throw new CliError(
      ExitCode.failure,
      `there are ${invites} invites, and a relay keeps at most ${MAX_INVITES}`,
      `used and expired ones count for ${INVITE_GRACE_MS / 86_400_000} days: revoke some that are open, or wait`,
    );
  }
}

function taken(name: string, why: string): CliError {
  return new CliError(
    ExitCode.failure,
    `${name} is taken: ${why}`,
    `choose another name, or first: underpass revoke ${name}`,
  );
}

/** Where clients reach the relay: what the running relay was told, what its config says, or what this machine shows. */
async function endpointOf({ file, config }: RelayFiles): Promise<HostPort> {
  const running = await runningRelay(file);
  const told = running?.endpoint === undefined ? undefined : parseHostPort(running.endpoint);
  const endpoint = told ?? config.endpoint;
  if (endpoint !== undefined) return endpoint;
  // A running relay may listen elsewhere than its config says: --listen, or port 0.
  const actual = running === undefined ? undefined : parseListenAddress(running.listen);
  if (actual === undefined && config.listen.port === 0) {
    throw new CliError(
      ExitCode.config,
      `cannot tell where clients reach this relay: ${file} leaves the port to the system, and the relay is not running`,
      'start it, or give --endpoint HOST:PORT',
    );
  }
  return ownEndpoint(actual ?? config.listen, file);
}

/** A QR code of half blocks. The blocks are the light parts, for a terminal with a dark background; in colour, it does
 *  not depend on the background. */
export function qrText(link: string, isColored = usesColor(process.stdout)): string {
  const code = encodeQr(link, 'ascii', { ecc: 'low', border: QUIET_MODULES }).trimEnd();
  if (!isColored) return code;
  return code
    .split('\n')
    .map((line) => `\u001b[40;97m${line}\u001b[0m`)
    .join('\n');
}
