import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { connect, readBytes, startEcho, startTarget } from '../../../../test/e2e/tcp.js';
import { runTunnel, type Tunnel } from './in-process.js';

/** More than all buffers between a program and a target that does not read can hold. */
const TOO_MUCH = Buffer.alloc(64 * 1024 * 1024);

/** A tunnel to one target, and a connection through it with both of its ends. */
async function connected() {
  let onTarget: (socket: Socket) => void = () => undefined;
  const target = new Promise<Socket>((resolve) => {
    onTarget = resolve;
  });
  const { port } = await startTarget((socket) => onTarget(socket));
  const tunnel = await runTunnel({ allow: [`127.0.0.1:${port}`], forwards: [`0:127.0.0.1:${port}`] });
  const program = await connect(tunnel.port);
  program.write('x');
  const atTarget = await target;
  await readBytes(atTarget, 1);
  return { tunnel, program, target: atTarget };
}

/** Resolves when both sides have given up the connection and hold nothing of it. */
async function hasEnded({ relay, client }: Tunnel): Promise<void> {
  expect(await client.heard.next('stream-closed')).toMatchObject({ clean: false });
  expect(await relay.heard.next('stream-closed')).toMatchObject({ clean: false });
  expect(client.client.status().openStreams).toBe(0);
}

/** Resolves when the kernel accepts no more. */
async function isFull(socket: Socket): Promise<void> {
  for (let before = -1; socket.writableLength !== before; ) {
    before = socket.writableLength;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

// spec forwarding 4.6: "MUST notice that a TCP connection was reset"
describe('a program that vanishes', () => {
  it('after its FIN is noticed on both sides', async () => {
    const { tunnel, program, target } = await connected();
    target.resume();
    program.end();
    await once(target, 'end');
    program.resetAndDestroy();
    await hasEnded(tunnel);
  });

  it('during a stalled upload is noticed on both sides', async () => {
    const { tunnel, program } = await connected();
    program.write(TOO_MUCH);
    await isFull(program);
    program.resetAndDestroy();
    await hasEnded(tunnel);
  });
});

// spec forwarding 4.6
describe('a target that vanishes', () => {
  it('after its FIN is noticed on both sides', async () => {
    const { tunnel, program, target } = await connected();
    program.resume();
    target.end();
    await once(program, 'end');
    target.resetAndDestroy();
    await hasEnded(tunnel);
  });

  it('during a stalled download is noticed on both sides', async () => {
    const { tunnel, target } = await connected();
    target.write(TOO_MUCH);
    await isFull(target);
    target.resetAndDestroy();
    await hasEnded(tunnel);
  });
});

describe('1,024 programs that vanish after their FIN', () => {
  it('do not block another target (spec forwarding 4.6)', async () => {
    const held = await startTarget((socket) => void socket.resume());
    const echo = await startEcho();
    const tunnel = await runTunnel({
      allow: ['127.0.0.1:*'],
      forwards: [`0:127.0.0.1:${held.port}`, `0:127.0.0.1:${echo.port}`],
    });
    for (let round = 0; round < 16; round++) {
      const programs = await Promise.all(Array.from({ length: 64 }, () => connect(tunnel.port)));
      await tunnel.relay.heard.next('stream-opened', 64 * (round + 1));
      for (const program of programs) {
        program.end();
        await once(program, 'finish');
        program.resetAndDestroy();
      }
    }
    await tunnel.client.heard.next('stream-closed', 1024);
    const program = await connect(tunnel.client.ports[1] ?? 0);
    program.write('still here');
    expect(String(await readBytes(program, 10))).toBe('still here');
  });
});
