/** `--capture` writes a file that Wireshark opens decrypted, on both sides. */
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { body, connect, readBytes, sha256, startEcho } from './tcp.js';
import { fieldsByTshark, WITH_DISSECTOR } from './tshark.js';
import { setUpRelay, startClient, startRelay } from './tunnel.js';

const BYTES = 200_000;

describe('--capture and --qlog', () => {
  it('opens decrypted in tshark with no setting, from the client and from the relay', async (context) => {
    const echo = await startEcho();
    const setup = setUpRelay([`127.0.0.1:${echo.port}`]);
    const files = {
      relay: path.join(setup.directory, 'relay.pcapng'),
      client: path.join(setup.directory, 'client.pcapng'),
    };
    const qlog = path.join(setup.directory, 'client.sqlog');
    const relay = await startRelay(setup, 0, ['--capture', files.relay]);
    const forwards = [`0:127.0.0.1:${echo.port}`];
    const client = await startClient(setup, relay.port, forwards, [
      '--capture',
      files.client,
      '--qlog',
      qlog,
    ]);
    const socket = await connect(client.ports[0] ?? 0);
    const sent = body(BYTES, 1);
    socket.write(sent);
    expect(sha256(await readBytes(socket, sent.length))).toBe(sha256(sent));
    for (const { program } of [client, relay]) {
      program.child.kill('SIGTERM');
      expect(await program.event('capture')).toMatchObject({ level: 'warn' });
      expect(await program.event('captured')).toMatchObject({ missing: 0 });
      await program.ended();
    }
    expect(statSync(qlog).mode & 0o777).toBe(0o600);
    const events = readFileSync(qlog, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
    const names = new Set(events.map((line) => (JSON.parse(line.slice(1)) as { name?: string }).name));
    for (const name of ['transport:packet_sent', 'transport:packet_received', 'recovery:metrics_updated']) {
      expect(names).toContain(name);
    }
    for (const file of Object.values(files)) {
      expect(statSync(file).mode & 0o777).toBe(0o600);
      const fields = ['wg.type', 'wg.handshake_ok', 'wg.static', 'wg.decryption_error', 'ip.version'];
      const messages = fieldsByTshark(file, 'wg', fields);
      if (messages === undefined) return context.skip('tshark is not installed');
      expect(messages.filter(([, , , problem]) => problem !== '')).toEqual([]);
      const ofType = (wanted: string) => messages.filter(([type]) => type === wanted);
      for (const [, , staticKey] of ofType('1')) expect(staticKey).toBe(setup.clientKey.publicKey);
      // tshark has no verdict on the copy of a response (spec session 5.7), but each initiation has one response.
      const verdicts = ofType('2').map(([, isVerified]) => isVerified);
      expect(verdicts.filter((verdict) => /^(1|True)$/.test(verdict ?? ''))).not.toEqual([]);
      expect(verdicts.filter((verdict) => !/^(1|True|)$/.test(verdict ?? ''))).toEqual([]);
      // The outer header is IPv4. What is inside is not IP, but tshark looks for a version there.
      const opened = ofType('4').filter(([, , , , versions]) => versions === '4,0');
      expect(opened.length).toBeGreaterThan((2 * BYTES) / 1472);
      const named = ['underpass.frame', 'underpass.packet_number', 'underpass.malformed', '_ws.malformed'];
      const packets = fieldsByTshark(file, 'underpass', named, WITH_DISSECTOR) ?? [];
      expect(packets).toHaveLength(opened.length);
      expect(packets.filter(([, , ...problems]) => problems.join('') !== '')).toEqual([]);
      const names = new Set(packets.flatMap(([frames]) => frames?.split(',') ?? []));
      for (const name of ['HELLO', 'STREAM', 'ACK', 'PADDING']) expect(names).toContain(name);
    }
  });
});
