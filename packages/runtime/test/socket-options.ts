/** Reads a socket's options back from the system, for tests. */
import { createRequire } from 'node:module';
import { expect } from 'vitest';

/** Linux's constants, written down independently of the code under test. */
const LEVELS = { SOL_SOCKET: 1, IPPROTO_IP: 0, IPPROTO_IPV6: 41 };
const OPTIONS = {
  SO_REUSEADDR: 2,
  SO_SNDBUF: 7,
  SO_RCVBUF: 8,
  IP_MTU_DISCOVER: 10,
  IPV6_MTU_DISCOVER: 23,
  IPV6_V6ONLY: 26,
};

/** Needs koffi. */
export function loadGetsockopt() {
  type Get = (fd: number, level: number, name: number, value: Int32Array, length: number[]) => number;
  const koffi = createRequire(import.meta.url)('koffi') as {
    load(path: null): { func(prototype: string): Get };
  };
  const get = koffi
    .load(null)
    .func('int getsockopt(int fd, int level, int name, _Out_ void *value, _Inout_ uint32_t *length)');
  return (fd: number, level: keyof typeof LEVELS, name: keyof typeof OPTIONS): number => {
    const value = new Int32Array(1);
    expect(get(fd, LEVELS[level], OPTIONS[name], value, [4])).toBe(0);
    return value[0] as number;
  };
}
