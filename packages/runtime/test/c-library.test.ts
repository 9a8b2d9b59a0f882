/** When the C library can be called. The test replaces koffi and says on which machine it is. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { CLibrary } from '../src/c-library.js';

const stage = vi.hoisted(() => ({
  required: 0,
  koffi: undefined as unknown,
}));
vi.mock(import('../src/require-koffi.js'), () => ({
  requireKoffi: () => {
    stage.required++;
    if (stage.koffi === undefined)
      throw new Error("Cannot find module 'koffi'\nRequire stack:\n- /somewhere");
    return stage.koffi;
  },
}));

const machine = { platform: process.platform, arch: process.arch };
afterEach(() => {
  Object.defineProperties(process, {
    platform: { value: machine.platform },
    arch: { value: machine.arch },
  });
});

/** Looks for the C library for the first time. @param missing  a function that it lacks */
async function load(platform: string, arch: string, missing?: string) {
  Object.defineProperties(process, { platform: { value: platform }, arch: { value: arch } });
  stage.required = 0;
  const func = (prototype: string) => {
    if (missing !== undefined && prototype.includes(missing)) throw new Error(`Cannot find ${missing}`);
    return () => prototype;
  };
  stage.koffi = missing === 'koffi' ? undefined : { load: () => ({ func }), address: () => 5n };
  vi.resetModules();
  return import('../src/c-library.js');
}

const FUNCTIONS = [
  ...['socket', 'setsockopt', 'bind', 'sendto', 'recvmmsg', 'close'],
  ...['inet_pton', 'inet_ntop', 'if_indextoname', 'malloc_trim'],
];

describe('the C library', () => {
  it.each(['x64', 'arm64'])('is called on Linux on %s, and looked for once', async (arch) => {
    const { cLibrary, cLibraryProblem } = await load('linux', arch);
    const library = cLibrary() as unknown as Record<string, () => unknown>;
    expect((cLibrary() as CLibrary).addressOf(new Uint8Array(1))).toBe(5n);
    for (const name of FUNCTIONS) expect(library[name]?.()).toContain(` ${name}(`);
    expect(cLibrary()).toBe(library);
    expect([cLibraryProblem(), stage.required]).toEqual(['', 1]);
  });

  it.each([
    ['koffi is missing', 'linux', 'x64', 'koffi', "Cannot find module 'koffi'"],
    ['it lacks a function', 'linux', 'x64', 'recvmmsg', 'Cannot find recvmmsg'],
    ['the numbers of the system are not known', 'darwin', 'arm64', undefined, 'darwin on arm64'],
    ['those of the processor are not known', 'linux', 'riscv64', undefined, 'linux on riscv64'],
  ])(
    'is not called where %s, and the reason is one line',
    async (_what, platform, arch, missing, problem) => {
      const { cLibrary, cLibraryProblem } = await load(platform, arch, missing);
      expect(cLibraryProblem()).toBe(problem);
      expect(cLibrary()).toBeUndefined();
      expect(stage.required).toBe(platform === 'linux' && arch === 'x64' ? 1 : 0);
    },
  );

  it('need not be able to give memory back', async () => {
    const { cLibrary } = await load('linux', 'x64', 'malloc_trim');
    expect(cLibrary()).toBeDefined();
    expect(cLibrary()).not.toHaveProperty('malloc_trim');
  });
});
