/** What `underpass doctor` prints, and what it refuses before it examines anything. */
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { CliError } from '../../src/cli-error.js';
import { runDoctor } from '../../src/commands/doctor.js';
import { DoctorOutput } from '../../src/commands/doctor-output.js';
import type { Examination } from '../../src/doctor/examine.js';
import { found, passed } from '../../src/doctor/step.js';
import { ExitCode } from '../../src/exit-code.js';
import { writeKeyFile } from '../../src/key-file.js';
import { encodeKey } from '../../src/key-text.js';
import { publicKeyOf } from '../../src/public-key.js';
import { temporaryDirectory } from '../temporary-directory.js';
import { recordPrinted } from './printed.js';

const stage = vi.hoisted(() => ({
  examination: undefined as unknown,
  /** If false, the examination fails after its first step. */
  isFine: false,
  opened: [] as unknown[][],
}));
vi.mock('../../src/doctor/patient.js', () => ({
  openPatient: async (...parameters: unknown[]) => stage.opened.push(parameters),
}));
vi.mock('../../src/doctor/examine.js', () => ({
  examine: async function* (examination: Examination) {
    stage.examination = examination;
    yield passed('clock', 'right');
    if (stage.isFine) return;
    examination.onProgress('sending to the relay');
    throw new CliError(ExitCode.failure, 'the client that carried it has ended');
  },
}));

const TERMINAL = { isTTY: true };
const FILE = { isTTY: false };
const CLEAR = '\r\u001b[K';

let printed: () => string[];
beforeEach(() => {
  Object.assign(stage, { isFine: false, opened: [] });
  printed = recordPrinted(false);
  vi.stubEnv('TERM', 'xterm');
  vi.stubEnv('NO_COLOR', undefined);
  onTestFinished(() => void vi.unstubAllEnvs());
});
/** One text of all that was printed. */
const all = () =>
  printed()
    .map((line) => line.slice(4))
    .join('|');

describe('the output of the doctor', () => {
  const trouble = found('config', 'config-wrong', 'a.toml:1: wrong\nb.toml:2:\u001b wrong');

  it('has a line for each step, with more lines and the advice below its text', () => {
    const output = new DoctorOutput(false, FILE);
    output.progress('looking');
    output.print(passed('round trip', '5 ms'));
    output.print(found('loss', 'path-lossy', '3 %', 'warning'));
    output.print(trouble);
    output.end(false);
    expect(printed()).toEqual([
      'out ok      round trip 5 ms',
      'out warning loss       The path loses packets: 3 %',
      expect.stringMatching(/^out {20}What to do: it works, but more slowly/),
      'out FAILED  config     The config is wrong: a.toml:1: wrong',
      'out                    b.toml:2:  wrong',
      'out                    What to do: correct what the lines say',
    ]);
  });

  it('shows on a terminal what is under way, in its own line, until something else is printed', () => {
    vi.stubEnv('NO_COLOR', '1');
    const output = new DoctorOutput(false, TERMINAL);
    output.progress('looking\u0007');
    output.print(passed('clock', 'right'));
    output.end(true);
    expect(all()).toBe(`${CLEAR}...     looking |${CLEAR}|ok      clock      right|${CLEAR}`);
    vi.stubEnv('TERM', 'dumb');
    const dumb = new DoctorOutput(false, TERMINAL);
    dumb.progress('looking');
    dumb.print(passed('clock', 'right'));
    expect(all()).toBe('ok      clock      right');
  });

  it('has colours on a terminal', () => {
    const output = new DoctorOutput(false, TERMINAL);
    output.print(passed('clock', 'right'));
    output.print(found('loss', 'path-lossy', '', 'warning'));
    output.print(found('answer', 'no-answer'));
    const text = all();
    for (const sign of ['\u001b[32mok     ', '\u001b[33mwarning', '\u001b[31mFAILED '])
      expect(text).toContain(sign);
  });

  it('is a line of JSON for each step and one for the outcome, on a terminal too', () => {
    const output = new DoctorOutput(true, TERMINAL);
    output.progress('looking');
    output.print(passed('clock', 'right'));
    output.end(true);
    new DoctorOutput(true, FILE).end(false);
    expect(printed()).toEqual([
      'out {"step":"clock","status":"ok","text":"right"}',
      'out {"outcome":"ok"}',
      'out {"outcome":"failed"}',
    ]);
  });
});

describe('underpass doctor', () => {
  it('calls a config wrong with all of its mistakes, and looks no further', async () => {
    const config = path.join(temporaryDirectory(), 'client.toml');
    writeFileSync(config, 'relay = 5\nnonsense = 6\n');
    expect(await runDoctor(undefined, { config, wait: 1, json: true })).toBe(ExitCode.failure);
    const [step, end, ...more] = printed().map((line) => JSON.parse(line.slice(4)));
    expect(step).toMatchObject({ step: 'config', status: 'failed', finding: 'config-wrong' });
    expect(step.text).toMatch(/client\.toml:1: relay: .*client\.toml:2: nonsense: /s);
    expect([end, more]).toEqual([{ outcome: 'failed' }, []]);
  });

  it('says what to do about a file that is missing', async () => {
    expect(await runDoctor(undefined, { config: '/nowhere.toml', wait: 1, json: true })).toBe(
      ExitCode.failure,
    );
    expect(JSON.parse(printed()[0]?.slice(4) ?? '').text).toMatch(
      /^The config is wrong: .*\/nowhere\.toml.*: /,
    );
  });

  it.each([
    [{ config: 'a.toml' }],
    [{ relay: { host: 'vps', port: 1 } }],
    [{ relayKey: new Uint8Array(32) }],
    [{ key: 'a.key' }],
    [{ presharedKey: 'a.psk' }],
  ])('refuses a name beside %j', async (flags) => {
    await expect(runDoctor('vps', { ...flags, wait: 1 })).rejects.toMatchObject({
      exitCode: ExitCode.usage,
      message: "a relay's name cannot be combined with other options for it",
    });
  });

  it('takes no link, which it could not use up', async () => {
    const link = 'underpass://192.0.2.1:51820/AQAB';
    await expect(runDoctor(link, { wait: 1 })).rejects.toMatchObject({
      exitCode: ExitCode.usage,
      hint: 'enrol with it first: underpass client LINK',
    });
    await expect(runDoctor(undefined, { wait: 1 })).rejects.toMatchObject({
      hint: expect.not.stringContaining('link'),
    });
  });

  it('needs a relay', async () => {
    await expect(runDoctor(undefined, { wait: 1 })).rejects.toThrow('no relay is given');
    expect(printed()).toEqual([]);
  });

  const byOptions = () => {
    const key = path.join(temporaryDirectory(), 'client.key');
    writeKeyFile(key, new Uint8Array(32).fill(0x48));
    return { relay: { host: '192.0.2.1', port: 1 }, relayKey: new Uint8Array(32), key, wait: 1 };
  };
  const examined = () => stage.examination as Examination;

  it('examines the client of the options, with the age of its key and the names of the system', async () => {
    stage.isFine = true;
    const flags = { ...byOptions(), target: [{ host: 'db', port: 1 }], json: true };
    utimesSync(flags.key, 1, 1_700_000_000);
    expect(await runDoctor(undefined, flags)).toBe(ExitCode.ok);
    expect(printed().map((line) => JSON.parse(line.slice(4)))).toEqual([
      { step: 'config', status: 'ok', text: 'the command line is valid' },
      { step: 'clock', status: 'ok', text: 'right' },
      { outcome: 'ok' },
    ]);
    const { config, files, targets, waitMs, tools, openPatient } = examined();
    expect(config).toMatchObject({ relay: flags.relay });
    expect(files).toEqual([{ file: flags.key, atMs: 1_700_000_000_000 }]);
    expect([targets, waitMs]).toEqual([flags.target, 1000]);
    expect(await tools.lookUp('127.0.0.1')).toEqual(['127.0.0.1']);
    await openPatient();
    expect(stage.opened).toEqual([[config, '192.0.2.1']]);
  });

  it('examines a saved relay under its name, with the age of its file', async () => {
    stage.isFine = true;
    const home = temporaryDirectory();
    vi.stubEnv('XDG_CONFIG_HOME', home);
    const relays = path.join(home, 'underpass', 'relays');
    mkdirSync(relays, { recursive: true, mode: 0o700 });
    const { key } = byOptions();
    const file = path.join(relays, 'home.toml');
    writeFileSync(
      file,
      `relay = "vps:1"\nrelay_public_key = "${encodeKey(publicKeyOf(new Uint8Array(32).fill(0x50)))}"\nprivate_key_file = "${key}"\nlocal_forwards = ["8080:db:5432"]\n`,
    );
    utimesSync(file, 1, 1_700_000_000);
    expect(await runDoctor('home', { wait: 5 })).toBe(ExitCode.ok);
    expect(printed()[0]).toContain(`${file} is valid`);
    const { config, files, targets, openPatient } = examined();
    expect(files).toEqual([{ file, atMs: 1_700_000_000_000 }]);
    expect(targets).toEqual([{ host: 'db', port: 5432 }]);
    await openPatient();
    expect(stage.opened).toEqual([[config, 'home']]);
  });

  describe('that breaks off', () => {
    it('takes back what was under way, so that the failure has a line of its own', async () => {
      const { isTTY } = process.stdout;
      process.stdout.isTTY = true;
      onTestFinished(() => {
        process.stdout.isTTY = isTTY;
      });
      await expect(runDoctor(undefined, byOptions())).rejects.toThrow('has ended');
      expect(all().split('sending to the relay')[1]).toBe(`|${CLEAR}`);
    });

    it('has no outcome', async () => {
      await expect(runDoctor(undefined, { ...byOptions(), json: true })).rejects.toThrow('has ended');
      expect(printed().map((line) => JSON.parse(line.slice(4)).step)).toEqual(['config', 'clock']);
    });
  });
});
