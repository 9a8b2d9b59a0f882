/** iperf3, which opens a connection for control and others for data, all to one port. */
import { describe, expect, it } from 'vitest';
import { installed, run } from './installed.js';
import { RunningProgram } from './running-program.js';
import { closedPort } from './tcp.js';
import { setUpRelay, startClient, startRelay } from './tunnel.js';

const iperf3 = installed('iperf3');
/** Far more than all buffers on the way hold: iperf3 counts only what was received when the sender has sent this. */
const BYTES = 30_000_000;
/** A message and its frame fit into any path. */
const MESSAGE_BYTES = 1000;
const MESSAGES = 50;

describe.skipIf(iperf3 === undefined)('iperf3', () => {
  it('measures TCP in both directions, and UDP', async () => {
    const port = await closedPort();
    const server = new RunningProgram(iperf3 as string, ['-s', '-p', String(port), '--forceflush']);
    const setup = setUpRelay([`localhost:${port}`, `localhost:${port}/udp`]);
    const relay = await startRelay(setup);
    const local = await closedPort();
    const forward = `${local}:localhost:${port}`;
    const { program } = await startClient(setup, relay.port, [forward], ['-U', forward]);
    await program.event('listening', (event) => event.kind === 'udp');
    let measured = 0;
    // A server that has not finished a measurement is busy, and refuses the next; it says when it listens again.
    const isListening = () => server.stdout.split('Server listening').length > measured + 1;
    const measure = async (...flags: readonly string[]) => {
      await server.until(isListening, 'iperf3 to listen');
      measured += 1;
      const address = ['-c', '127.0.0.1', '-p', String(local)];
      const { code, output } = await run(iperf3 as string, [...address, '--json', ...flags]);
      const report = JSON.parse(String(output));
      expect([code, report.error]).toEqual([0, undefined]);
      return report.end;
    };

    for (const direction of [[], ['--reverse']]) {
      const { sum_sent: sent, sum_received: received } = await measure(
        ...['-n', String(BYTES), ...direction],
      );
      expect(sent.bytes).toBeGreaterThanOrEqual(BYTES);
      expect(received.bytes).toBeGreaterThan(0);
    }

    const length = ['-l', String(MESSAGE_BYTES), '-n', String(MESSAGES * MESSAGE_BYTES)];
    const { sum } = await measure('-u', '-b', '1M', ...length);
    expect(sum.packets).toBe(MESSAGES);
    expect(sum.lost_packets).toBeLessThan(MESSAGES);
  });
});
