import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openControl } from '../../src/control/open-control.js';
import { recordingLog } from '../commands/recording-log.js';
import { temporaryDirectory } from '../temporary-directory.js';

describe('the control socket of a process', () => {
  it('is a line for debugging when it opens, because nobody has to do anything about it', async () => {
    vi.stubEnv('RUNTIME_DIRECTORY', undefined);
    vi.stubEnv('XDG_RUNTIME_DIR', temporaryDirectory());
    onTestFinished(() => void vi.unstubAllEnvs());
    const log = recordingLog();
    const server = await openControl('test', log, {});
    onTestFinished(() => server?.close());
    expect(log.lines).toEqual([`debug control socket ${server?.file}`]);
    expect(log.fields).toEqual([{ event: 'control', socket: server?.file }]);
  });
});
