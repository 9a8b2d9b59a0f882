import { execFileSync } from 'node:child_process';
import { chmodSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { systemTimers } from '@underpass/runtime';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ConfigWatch, configVersion } from '../../src/config/config-watch.js';
import { temporaryDirectory } from '../temporary-directory.js';
import { ManualTimers } from './manual-timers.js';

function scene() {
  const file = path.join(temporaryDirectory(), 'relay.toml');
  writeFileSync(file, 'a');
  const timers = new ManualTimers();
  let changes = 0;
  const watch = new ConfigWatch(file, configVersion(file), () => changes++, timers);
  onTestFinished(() => watch.close());
  return { file, timers, watch, changes: () => changes };
}

describe('the watch of a config', () => {
  it('reports a change once, when the file has stayed as it is', () => {
    const { file, timers, changes } = scene();
    timers.look();
    timers.settle();
    expect(changes()).toBe(0);
    writeFileSync(file, 'longer');
    timers.look();
    expect(changes()).toBe(0);
    timers.settle();
    timers.look();
    timers.settle();
    expect(changes()).toBe(1);
  });

  it('waits for half a second', () => {
    const { file, timers, changes } = scene();
    writeFileSync(file, 'longer');
    timers.look();
    timers.fire((delayMs) => delayMs < 500);
    expect(changes()).toBe(0);
    timers.fire((delayMs) => delayMs === 500);
    expect(changes()).toBe(1);
  });

  it('waits while the file is still being written', () => {
    const { file, timers, changes } = scene();
    writeFileSync(file, 'half');
    timers.look();
    writeFileSync(file, 'the whole');
    timers.settle();
    expect(changes()).toBe(0);
    timers.settle();
    expect(changes()).toBe(1);
  });

  it('waits while an editor has moved the file away', () => {
    const { file, timers, changes } = scene();
    renameSync(file, `${file}~`);
    timers.look();
    timers.settle();
    expect(changes()).toBe(0);
    writeFileSync(file, 'new');
    timers.look();
    timers.settle();
    expect(changes()).toBe(1);
  });

  it('reports a file that got another mode, because it may have been refused for the old one', () => {
    const { file, timers, changes } = scene();
    chmodSync(file, 0o600);
    timers.look();
    timers.settle();
    expect(changes()).toBe(1);
  });

  it('does not report a version that was read for another reason', () => {
    const { file, timers, watch, changes } = scene();
    writeFileSync(file, 'longer');
    timers.look();
    watch.noteSeen();
    timers.settle();
    timers.look();
    timers.settle();
    expect(changes()).toBe(0);
  });

  it('reports a change that was made while the program started', () => {
    const { file, timers } = scene();
    const before = configVersion(file);
    writeFileSync(file, 'changed meanwhile');
    let changes = 0;
    const watch = new ConfigWatch(file, before, () => changes++, timers);
    onTestFinished(() => watch.close());
    timers.settle();
    expect(changes).toBe(1);
  });

  it('leaves no timer behind', () => {
    const { file, timers, watch } = scene();
    writeFileSync(file, 'longer');
    timers.look();
    watch.close();
    expect(timers.waiting).toBe(0);
  });

  it('hears of a change from the system, or by looking', async () => {
    const file = path.join(temporaryDirectory(), 'relay.toml');
    writeFileSync(file, 'a');
    await new Promise<void>((resolve) => {
      const watch = new ConfigWatch(file, configVersion(file), resolve, systemTimers);
      onTestFinished(() => watch.close());
      writeFileSync(file, 'longer');
    });
  });

  it('has no version for a missing file and for a pipe', () => {
    const file = path.join(temporaryDirectory(), 'pipe');
    expect(configVersion(file)).toBeUndefined();
    if (process.platform === 'win32') return;
    execFileSync('mkfifo', [file]);
    expect(configVersion(file)).toBeUndefined();
    rmSync(file);
  });
});
