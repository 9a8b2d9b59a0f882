/** The functions of the C library that we use, called through koffi, an optional dependency. */
import { requireKoffi } from './require-koffi.js';

/** The parts of koffi that we use. */
interface Koffi {
  /** @param path  null for the C library that this program is linked with */
  load(path: null): {
    func(prototype: string): (...parameters: (number | bigint | string | Uint8Array)[]) => number;
  };
  address(bytes: Uint8Array): bigint;
}

/** As their manual pages describe them. */
export interface CLibrary {
  readonly socket: (domain: number, type: number, protocol: number) => number;
  readonly setsockopt: (fd: number, level: number, name: number, value: Uint8Array, length: number) => number;
  readonly bind: (fd: number, address: Uint8Array, length: number) => number;
  readonly inet_pton: (domain: number, text: string, address: Uint8Array) => number;
  readonly inet_ntop: (domain: number, address: Uint8Array, text: Uint8Array, length: number) => number;
  readonly if_indextoname: (index: number, name: Uint8Array) => number;
  /** @param messages  the address of `count` structures */
  readonly recvmmsg: (fd: number, messages: bigint, count: number, flags: number, timeout: number) => number;
  readonly sendto: (
    fd: number,
    bytes: Uint8Array,
    length: number,
    flags: number,
    address: Uint8Array,
    addressLength: number,
  ) => number;
  readonly close: (fd: number) => number;
  /** Only glibc has it. */
  readonly malloc_trim?: (pad: number) => number;
  /** Where the bytes are. They must have an ArrayBuffer of their own, and stay reachable while the address is used. */
  readonly addressOf: (bytes: Uint8Array) => bigint;
}

interface Loaded {
  readonly library?: CLibrary;
  /** Why there is none. */
  readonly problem?: string;
}

let known: Loaded | undefined;

/** @returns undefined when koffi is not installed, or the constants for this machine are unknown */
export function cLibrary(): CLibrary | undefined {
  known ??= loadCLibrary();
  return known.library;
}

/** Why `cLibrary` is undefined, in the system's own words if it refused something. */
export function cLibraryProblem(): string {
  known ??= loadCLibrary();
  return known.problem ?? '';
}

function loadCLibrary(): Loaded {
  const { platform, arch } = process;
  if (platform !== 'linux' || (arch !== 'x64' && arch !== 'arm64'))
    return { problem: `${platform} on ${arch}` };
  try {
    const koffi = requireKoffi() as Koffi;
    const library = koffi.load(null);
    return { library: functionsOf(koffi, library) };
  } catch (error) {
    return { problem: firstLine(error) };
  }
}

function functionsOf(koffi: Koffi, library: ReturnType<Koffi['load']>): CLibrary {
  const trim = orUndefined(() => library.func('int malloc_trim(size_t pad)'));
  return {
    ...(trim && { malloc_trim: trim }),
    socket: library.func('int socket(int domain, int type, int protocol)'),
    setsockopt: library.func(
      'int setsockopt(int fd, int level, int name, const void *value, uint32_t length)',
    ),
    bind: library.func('int bind(int fd, const void *address, uint32_t length)'),
    inet_pton: library.func('int inet_pton(int domain, const char *text, _Out_ void *address)'),
    sendto: library.func(
      'int64 sendto(int fd, const void *bytes, uint64_t length, int flags, const void *address, uint32_t size)',
    ),
    // Both return a pointer, which only says whether they worked.
    inet_ntop: library.func(
      'uintptr_t inet_ntop(int domain, const void *address, _Out_ void *text, uint32_t length)',
    ),
    if_indextoname: library.func('uintptr_t if_indextoname(uint32_t index, _Out_ void *name)'),
    recvmmsg: library.func(
      'int recvmmsg(int fd, uintptr_t messages, uint32_t count, int flags, uintptr_t timeout)',
    ),
    close: library.func('int close(int fd)'),
    addressOf: (bytes) => koffi.address(bytes),
  };
}

/** @returns undefined when the library has no such function */
function orUndefined<T>(find: () => T): T | undefined {
  try {
    return find();
  } catch {
    return undefined;
  }
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split('\n', 1)[0] ?? '';
}
