import { describe, expect, it } from 'vitest';
import { Epochs } from '../../src/transport/epochs.js';
import { MAX_ENDED_EPOCHS } from '../../src/transport/limits.js';
import type { Hello } from '../../src/transport/wire/frames.js';

const epoch = (byte: number) => new Uint8Array(8).fill(byte);
const OURS = epoch(1);
const FIRST_RUN = epoch(2);
const SECOND_RUN = epoch(3);

function hello(own: Uint8Array, expected = new Uint8Array(8)): Hello {
  return {
    version: 1,
    epoch: own,
    expectedEpoch: expected,
    role: 'relay',
    maxData: 0,
    maxStreamData: 0,
    maxStreams: 0,
    maxDatagramBytes: 1200,
    softwareName: '',
  };
}

describe('epochs (spec streams 3.2 to 3.4)', () => {
  it('tell the first HELLO of a peer from later ones, and from those of its next run', () => {
    const epochs = new Epochs(OURS);
    expect(epochs.judge(1, hello(FIRST_RUN))).toBe('first');
    epochs.bind(1, hello(FIRST_RUN));
    expect(epochs.judge(1, hello(FIRST_RUN, OURS))).toBe('known');
    expect(epochs.judge(2, hello(FIRST_RUN, OURS))).toBe('known');
    expect(epochs.judge(2, hello(SECOND_RUN))).toBe('restarted');
  });

  it('do not mistake a late HELLO of an earlier run for a restart', () => {
    const epochs = new Epochs(OURS);
    epochs.bind(1, hello(FIRST_RUN));
    epochs.bind(3, hello(SECOND_RUN));
    expect(epochs.judge(2, hello(FIRST_RUN))).toBe('stale');
    expect(epochs.standing(1)).toBe('stale');
    expect(epochs.standing(3)).toBe('current');
    expect(epochs.standing(4)).toBe('unbound');
  });

  it('recognize a HELLO that was meant for an earlier run of our side', () => {
    const epochs = new Epochs(OURS);
    expect(epochs.judge(1, hello(FIRST_RUN, epoch(9)))).toBe('not-for-us');
  });

  it('remember only the newest keypairs, so an older one has to state its epoch again (spec streams 3.2)', () => {
    const epochs = new Epochs(OURS);
    const keypairs = Array.from({ length: 100 }, (_, i) => i + 1);
    for (const keypair of keypairs) expect(epochs.bind(keypair, hello(FIRST_RUN))).toBe(true);
    const remembered = keypairs.filter((keypair) => epochs.standing(keypair) !== 'unbound');
    expect(remembered).toEqual([97, 98, 99, 100]);
  });

  it('call another epoch under a bound keypair a violation', () => {
    const epochs = new Epochs(OURS);
    epochs.bind(1, hello(FIRST_RUN));
    expect(epochs.judge(1, hello(SECOND_RUN))).toBe('violation');
  });

  it('recognize a run that another one has ended, as long as they remember it (spec streams 3.7)', () => {
    const epochs = new Epochs(OURS);
    const run = (n: number) => epoch(10 + n);
    let keypair = 0;
    for (let n = 0; n <= MAX_ENDED_EPOCHS; n++) epochs.bind(++keypair, hello(run(n)));
    for (let n = 0; n < MAX_ENDED_EPOCHS; n++) {
      expect(epochs.judge(keypair + 1, hello(run(n)))).toBe('returned');
    }
    expect(epochs.judge(keypair + 1, hello(run(MAX_ENDED_EPOCHS)))).toBe('known');
    epochs.bind(++keypair, hello(run(MAX_ENDED_EPOCHS + 1)));
    expect(epochs.judge(keypair + 1, hello(run(0)))).toBe('restarted');
    expect(epochs.judge(keypair + 1, hello(run(1)))).toBe('returned');
  });

  it('take a new run under the newest keypair for a restart, and under an older one for a late packet', () => {
    const epochs = new Epochs(OURS);
    epochs.bind(5, hello(FIRST_RUN));
    expect(epochs.judge(4, hello(SECOND_RUN))).toBe('stale');
    expect(epochs.judge(6, hello(SECOND_RUN))).toBe('restarted');
    epochs.bind(3, hello(FIRST_RUN));
    expect(epochs.judge(4, hello(SECOND_RUN))).toBe('stale');
  });

  it('compare all eight bytes of an epoch', () => {
    for (let i = 0; i < 8; i++) {
      const epochs = new Epochs(OURS);
      epochs.bind(1, hello(FIRST_RUN));
      const other = FIRST_RUN.slice();
      other[i] = 77;
      expect(epochs.judge(2, hello(other))).toBe('restarted');
    }
  });

  it('bind a keypair once, and state the newest run as expected', () => {
    const epochs = new Epochs(OURS);
    expect([epochs.isPeerKnown, epochs.expected]).toEqual([false, new Uint8Array(8)]);
    expect([epochs.bind(1, hello(FIRST_RUN)), epochs.bind(1, hello(FIRST_RUN))]).toEqual([true, false]);
    expect([epochs.isPeerKnown, epochs.expected]).toEqual([true, FIRST_RUN]);
    epochs.bind(2, hello(SECOND_RUN));
    expect(epochs.expected).toBe(SECOND_RUN);
  });
});
