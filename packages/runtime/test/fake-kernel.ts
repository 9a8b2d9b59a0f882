/** A kernel that hands over messages as recvmmsg(2) does, for tests. */
import { expect } from 'vitest';
import type { ReadingLibrary } from '../src/message-reader.js';

export interface KernelMessage {
  readonly bytes?: Uint8Array;
  /** sockaddr_in or sockaddr_in6. */
  readonly name: Uint8Array;
  readonly control?: {
    readonly length: number;
    readonly level: number;
    readonly type: number;
    readonly value: number;
  };
}

/** Behaves as recvmmsg(2) does with the memory that it is given: it follows the pointers, writes no more than there is
 *  room for, and states what it wrote in the fields that stated the room before. */
export class FakeKernel implements ReadingLibrary {
  readonly #blocks: { readonly at: bigint; readonly view: DataView }[] = [];
  waiting: KernelMessage[] = [];
  texts = 0;

  readonly addressOf = (bytes: Uint8Array): bigint => {
    const at = BigInt(this.#blocks.length + 1) << 33n;
    this.#blocks.push({ at, view: new DataView(bytes.buffer) });
    return at;
  };

  readonly recvmmsg = (
    _fd: number,
    messages: bigint,
    count: number,
    flags: number,
    timeout: number,
  ): number => {
    expect([flags, timeout]).toEqual([0x40, 0]);
    const taken = this.waiting.splice(0, count);
    for (const [i, { bytes = new Uint8Array(32), name, control }] of taken.entries()) {
      const [header, at] = this.#find(messages + BigInt(64 * i));
      const room = header.getUint32(at + 8, true);
      expect(room).toBeLessThanOrEqual(64);
      this.#write(header.getBigUint64(at, true), name.subarray(0, room));
      header.setUint32(at + 8, name.length, true);
      expect(header.getBigUint64(at + 24, true)).toBe(1n);
      const [part, partAt] = this.#find(header.getBigUint64(at + 16, true));
      const bytesRoom = Number(part.getBigUint64(partAt + 8, true));
      this.#write(part.getBigUint64(partAt, true), bytes.subarray(0, bytesRoom));
      const controlRoom = Number(header.getBigUint64(at + 40, true));
      expect(controlRoom).toBeLessThanOrEqual(64);
      const [controls, controlAt] = this.#find(header.getBigUint64(at + 32, true));
      const hasControl = control !== undefined && controlRoom >= 24;
      if (hasControl) {
        controls.setBigUint64(controlAt, BigInt(control.length), true);
        controls.setInt32(controlAt + 8, control.level, true);
        controls.setInt32(controlAt + 12, control.type, true);
        controls.setInt32(controlAt + 16, control.value, true);
      }
      header.setBigUint64(at + 40, hasControl ? 24n : 0n, true);
      header.setUint32(at + 48, bytes.length > bytesRoom ? 0x20 : 0, true);
      header.setUint32(at + 56, Math.min(bytes.length, bytesRoom), true);
    }
    return taken.length === 0 ? -1 : taken.length;
  };

  readonly inet_ntop = (family: number, address: Uint8Array, text: Uint8Array, length: number): number => {
    expect(length).toBe(text.length);
    this.texts++;
    text.set(Buffer.from(`${family}/${Buffer.from(address).toString('hex')}`));
    return 1;
  };

  readonly if_indextoname = (index: number, name: Uint8Array): number =>
    name.set(Buffer.from(`if${index}`)) ?? 1;

  #find(address: bigint): [DataView, number] {
    const block = this.#blocks.find(
      ({ at, view }) => address >= at && address < at + BigInt(view.byteLength),
    );
    if (block === undefined) throw new Error('points to nothing');
    return [block.view, Number(address - block.at)];
  }

  #write(address: bigint, bytes: Uint8Array): void {
    const [view, at] = this.#find(address);
    new Uint8Array(view.buffer).set(bytes, at);
  }
}

export function ipv4(lastByte: number, port: number): Uint8Array {
  return Uint8Array.of(2, 0, port >> 8, port & 0xff, 192, 0, 2, lastByte, 0, 0, 0, 0, 0, 0, 0, 0);
}

export function ipv6(lastByte: number, port: number, scope = 0): Uint8Array {
  const name = new Uint8Array(28);
  name.set([10, 0, port >> 8, port & 0xff, 0, 0, 0, 0, 0xfe, 0x80]);
  name[23] = lastByte;
  name[24] = scope;
  return name;
}

/** The control message of joined datagrams. */
export const GRO = { length: 20, level: 17, type: 104, value: 1472 };
