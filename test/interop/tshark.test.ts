/** tshark decrypts a capture of our client and relay with the client's key log (spec session 9). */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { installed } from '../e2e/installed.js';
import { body, connect, readBytes, sha256, startEcho } from '../e2e/tcp.js';
import { setUpRelay, startClient, startRelay } from '../e2e/tunnel.js';

const CLIENTS = 3;
const BYTES = 1_000_000;

interface Message {
  readonly type: string;
  /** `1` or `True`, depending on the version of tshark; empty except for responses. */
  readonly handshakeOk: string;
  /** The initiator's static key; empty unless the initiation was decrypted. */
  readonly staticKey: string;
  /** The same in every copy of a handshake message. */
  readonly ephemeral: string;
  readonly problems: string;
}

/** Captures the traffic of a UDP port on loopback. @returns a function that ends the capture */
async function capture(dumpcap: string, port: number, file: string): Promise<() => Promise<void>> {
  const parameters = ['-i', 'lo', '-f', `udp port ${port}`, '-B', '16', '-w', file];
  const program = spawn(dumpcap, parameters, { stdio: ['ignore', 'ignore', 'pipe'] });
  onTestFinished(() => void program.kill('SIGKILL'));
  let said = '';
  await new Promise<void>((resolve, reject) => {
    program.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('File:')) resolve();
    });
    program.on('exit', () => reject(new Error(`dumpcap ended: ${said}`)));
  });
  return async () => {
    program.kill('SIGINT');
    await once(program, 'exit');
  };
}

function open(tshark: string, file: string, keyLog: string): Message[] {
  const ofHandshake = ['wg.type', 'wg.handshake_ok', 'wg.static', 'wg.ephemeral'];
  const fields = [...ofHandshake, 'wg.decryption_error', 'wg.bad_packet_length'];
  const options = ['-r', file, '-Y', 'wg', '-o', `wg.keylog_file:${keyLog}`, '-T', 'fields'];
  const output = execFileSync(tshark, [...options, ...fields.flatMap((field) => ['-e', field])], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 64 * 1024 * 1024,
  });
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [type = '', handshakeOk = '', staticKey = '', ephemeral = '', ...problems] = line.split('\t');
      return { type, handshakeOk, staticKey, ephemeral, problems: problems.join('') };
    });
}

/** Leaves out the copies of handshake messages that either side may send (spec session 5.7). */
function withoutCopies(messages: readonly Message[]): Message[] {
  return messages.filter(
    ({ ephemeral }, i) => messages.findIndex((other) => other.ephemeral === ephemeral) === i,
  );
}

it('tshark decrypts all our handshakes and packets with the key log', async (context) => {
  const tshark = installed('tshark');
  const dumpcap = installed('dumpcap');
  if (tshark === undefined || dumpcap === undefined) return context.skip('tshark is not installed');
  if (process.getuid?.() !== 0) return context.skip('root is needed to capture');
  const echo = await startEcho();
  const setup = setUpRelay([`127.0.0.1:${echo.port}`]);
  // A capture on loopback has what a program passes to the kernel, and with segmentation that is many datagrams in one.
  const plain = ['--socket', 'plain'];
  const relay = await startRelay(setup, 0, plain);
  const file = path.join(setup.directory, 'capture.pcapng');
  const keyLog = path.join(setup.directory, 'keys');
  const endCapture = await capture(dumpcap, relay.port, file);
  for (let run = 0; run < CLIENTS; run++) {
    const forwards = [`0:127.0.0.1:${echo.port}`];
    const client = await startClient(setup, relay.port, forwards, ['--key-log', keyLog, ...plain]);
    const socket = await connect(client.ports[0] ?? 0);
    const sent = body(BYTES, run);
    socket.write(sent);
    expect(sha256(await readBytes(socket, sent.length))).toBe(sha256(sent));
    client.program.child.kill('SIGTERM');
    await client.program.ended();
  }
  await endCapture();

  const messages = open(tshark, file, keyLog);
  const ofType = (type: string): Message[] => messages.filter((message) => message.type === type);
  expect(messages.filter(({ problems }) => problems !== '')).toEqual([]);
  // The relay may send an initiation to a client that has just left; it gets no response.
  const byClients = withoutCopies(ofType('1')).filter(
    ({ staticKey }) => staticKey === setup.clientKey.publicKey,
  );
  expect(byClients).toHaveLength(CLIENTS);
  // tshark has no verdict on the copy of a response once another handshake came between.
  const responses = withoutCopies(ofType('2'));
  expect(responses.length).toBeGreaterThanOrEqual(CLIENTS);
  for (const { handshakeOk } of responses) expect(handshakeOk).toMatch(/^(1|True)$/);
  expect(ofType('3')).toEqual([]);
  // Both directions, at most 1472 bytes each.
  expect(ofType('4').length).toBeGreaterThan((2 * CLIENTS * BYTES) / 1472);

  // With wrong keys tshark decrypts nothing, so the result above is meaningful.
  const wrongKeys = path.join(setup.directory, 'wrong-keys');
  const wrong = readFileSync(keyLog, 'utf8').replace(/(EPHEMERAL_PRIVATE_KEY = ).{8}/g, '$1AAAAAAAA');
  writeFileSync(wrongKeys, wrong);
  for (const { type, handshakeOk } of open(tshark, file, wrongKeys)) {
    if (type === '2') expect(handshakeOk).not.toMatch(/^(1|True)$/);
  }
});
