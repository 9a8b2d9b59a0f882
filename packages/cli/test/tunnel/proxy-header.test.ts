/** A target that is told who connected. */
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { connect, readAll, startTarget } from '../../../../test/e2e/tcp.js';
import { runTunnel } from './in-process.js';

describe('a forward', () => {
  it('with ,proxy-protocol writes a header before the first byte, and another forward does not (spec forwarding 2.8)', async () => {
    const arrived: Promise<Buffer>[] = [];
    const { port } = await startTarget((socket: Socket) => {
      arrived.push(readAll(socket));
      socket.end();
    });
    const { client } = await runTunnel({
      allow: [`127.0.0.1:${port}`],
      forwards: [`127.0.0.1:0:127.0.0.1:${port},proxy-protocol`, `0:127.0.0.1:${port}`],
    });
    const [told, plain] = client.ports as [number, number];
    const first = await connect(told);
    const { localPort } = first;
    first.end('hello');
    await client.heard.next('stream-closed');
    const bytes = (await arrived[0]) as Buffer;
    const start = Buffer.from('0d0a0d0a000d0a515549540a2111000c7f0000017f000001', 'hex');
    expect(bytes.subarray(0, start.length).equals(start)).toBe(true);
    expect(bytes.readUInt16BE(24)).toBe(localPort);
    expect(bytes.readUInt16BE(26)).toBe(told);
    expect(String(bytes.subarray(28))).toBe('hello');

    const second = await connect(plain);
    second.end('hello');
    await client.heard.next('stream-closed', 2);
    expect(String(await arrived[1])).toBe('hello');
  });
});
