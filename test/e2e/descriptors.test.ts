/** A process without free file descriptors: every program sees a failure, never an empty answer. */
import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { RunningProgram } from './running-program.js';
import { howItEnds, startConnecting, startTarget } from './tcp.js';
import { setUpRelay, startClient, startRelay } from './tunnel.js';

/** Opens 120 connections, and counts how each of them ends. They send nothing first, because the system closes a
 *  connection that has sent something with a reset, and one that has not with FIN. */
async function endsOf(port: number): Promise<string[]> {
  const sockets = Array.from({ length: 120 }, () => startConnecting(port));
  const ends: string[] = [];
  for (const socket of sockets) {
    socket.on('data', () => ends.push('answer'));
    void howItEnds(socket).then((how) => ends.push(how));
  }
  for (let turns = 0; ends.length < 120; turns++) {
    expect(turns, `${ends.length} of 120 heard`).toBeLessThan(300);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return ['answer', 'ECONNRESET', ...ends].filter((how, index, all) => all.indexOf(how) === index);
}

/** Leaves a running process descriptors for a few connections. Starting it needs more. */
function limitDescriptors(program: RunningProgram): void {
  execFileSync('prlimit', ['--pid', String(program.child.pid), '--nofile=60:60']);
}

const hasPrlimit = spawnSync('prlimit', ['--version']).status === 0;

// spec forwarding 2.7: "so that the program sees a failure"
describe.skipIf(!hasPrlimit)('without file descriptors', () => {
  it('a client resets what it cannot carry, and reports once what to do', async () => {
    const { port } = await startTarget((socket) => void socket.write('welcome'));
    const setup = setUpRelay([`127.0.0.1:${port}`]);
    const relay = await startRelay(setup);
    const client = await startClient(setup, relay.port, [`0:127.0.0.1:${port}`]);
    limitDescriptors(client.program);
    expect(await endsOf(client.ports[0] ?? 0)).toEqual(['answer', 'ECONNRESET']);
    const warnings = client.program.events.filter(({ event }) => event === 'out-of-descriptors');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({ level: 'warn', msg: expect.stringContaining('LimitNOFILE=') });
  });

  it('a relay refuses what it cannot connect, and reports once what to do', async () => {
    const { port } = await startTarget((socket) => void socket.write('welcome'));
    const setup = setUpRelay(['localhost:*']);
    const relay = await startRelay(setup);
    limitDescriptors(relay.program);
    const client = await startClient(setup, relay.port, [`0:localhost:${port}`]);
    expect(await endsOf(client.ports[0] ?? 0)).toEqual(['answer', 'ECONNRESET']);
    expect(await client.program.event('refused')).toMatchObject({ status: 'internal-error' });
    expect(relay.program.events.filter(({ event }) => event === 'out-of-descriptors')).toHaveLength(1);
  });
});
