/** Starts a relay and a client as processes on loopback, with new keys and configs, and with ports that the system
 *  chooses. */
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { type RunningProgram, startUnderpass } from './running-program.js';
import { temporaryDirectory } from './temporary-directory.js';

export interface KeyPair {
  readonly file: string;
  readonly publicKey: string;
}

/** Writes a new key to a file with mode 0600. It comes from this process: two runs of the program for each key would
 *  take longer than most tests (keys.test.ts has a tunnel with keys from the program). */
export function newKey(directory: string, name: string): KeyPair {
  const file = path.join(directory, `${name}.key`);
  const { d: privateKey = '', x: publicKey = '' } = generateKeyPairSync('x25519').privateKey.export({
    format: 'jwk',
  });
  writeFileSync(file, keyLine(privateKey), { mode: 0o600 });
  return { file, publicKey: keyLine(publicKey).trim() };
}

/** A key as the program prints it, from base64url. */
function keyLine(key: string): string {
  return `${Buffer.from(key, 'base64url').toString('base64')}\n`;
}

export interface RelaySetup {
  readonly directory: string;
  readonly config: string;
  readonly relayKey: KeyPair;
  readonly clientKey: KeyPair;
}

/** Writes keys, and a relay.toml with one peer, `laptop`. */
export function setUpRelay(allow: readonly string[]): RelaySetup {
  const directory = temporaryDirectory();
  const setup = {
    directory,
    config: path.join(directory, 'relay.toml'),
    relayKey: newKey(directory, 'relay'),
    clientKey: newKey(directory, 'client'),
  };
  writeRelayConfig(setup, allow);
  return setup;
}

export function writeRelayConfig(setup: RelaySetup, allow: readonly string[]): void {
  writeFileSync(
    setup.config,
    `listen = "127.0.0.1:0"
private_key_file = "relay.key"

[[peer]]
name = "laptop"
public_key = "${setup.clientKey.publicKey}"
allow = ${JSON.stringify(allow)}
`,
  );
}

export interface RunningRelay {
  readonly program: RunningProgram;
  readonly port: number;
}

/** @param port  0 lets the system choose */
export async function startRelay(
  setup: RelaySetup,
  port = 0,
  more: readonly string[] = [],
): Promise<RunningRelay> {
  const listen = ['--listen', `127.0.0.1:${port}`];
  const program = startUnderpass(['relay', '--config', setup.config, ...listen, ...more]);
  const listening = await program.event('listening');
  return { program, port: Number(listening.port) };
}

export interface RunningClient {
  readonly program: RunningProgram;
  /** The local port of each forward, in the order given. */
  readonly ports: readonly number[];
}

/** The arguments of a client of that relay.
 *  @param forwards  as arguments of `-L` */
export function clientArguments(setup: RelaySetup, relayPort: number, forwards: readonly string[]): string[] {
  return [
    'client',
    ...['--relay', `127.0.0.1:${relayPort}`, '--relay-key', setup.relayKey.publicKey],
    ...['--key', setup.clientKey.file, '--log-level', 'debug'],
    ...forwards.flatMap((forward) => ['-L', forward]),
  ];
}

/** @param forwards  as arguments of `-L` */
export async function startClient(
  setup: RelaySetup,
  relayPort: number,
  forwards: readonly string[],
  more: readonly string[] = [],
  environment?: NodeJS.ProcessEnv,
): Promise<RunningClient> {
  const program = startUnderpass([...clientArguments(setup, relayPort, forwards), ...more], environment);
  const ports: number[] = [];
  for (const forward of forwards) {
    const listening = await program.event('listening', (event) => event.forward === forward);
    const addresses = listening.addresses as readonly { readonly port: number }[];
    ports.push(addresses[0]?.port ?? 0);
  }
  return { program, ports };
}

export interface Tunnel {
  readonly setup: RelaySetup;
  readonly relay: RunningRelay;
  readonly client: RunningClient;
}

/** Starts a relay with the rules `allow`, and a client with these forwards. */
export async function startTunnel(options: {
  readonly allow: readonly string[];
  readonly forwards: readonly string[];
}): Promise<Tunnel> {
  const setup = setUpRelay(options.allow);
  const relay = await startRelay(setup);
  const client = await startClient(setup, relay.port, options.forwards);
  return { setup, relay, client };
}
