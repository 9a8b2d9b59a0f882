import { describe, expect, it } from 'vitest';
import { type Deed, READS_AT_ONCE } from '../../src/model/actions.js';
import { describeDeed } from '../../src/model/deed-words.js';

const WORDS: readonly (readonly [words: string, deed: Deed])[] = [
  ['dropped datagram 7', { kind: 'drop', datagram: 7 }],
  ['delayed datagram 7 by 40 ms', { kind: 'delay', datagram: 7, ms: 40 }],
  ['changed a byte of datagram 7', { kind: 'corrupt', datagram: 7 }],
  ['duplicated datagram 7', { kind: 'duplicate', datagram: 7 }],
  ['sent a copy of datagram 7 from another address', { kind: 'replay', datagram: 7 }],
  ['forged a datagram that looks like 7', { kind: 'forge', datagram: 7 }],
  ['flooded the relay with 100 initiations a second for 0.5 s', { kind: 'flood', ms: 500, perSecond: 100 }],
  ['set the loss to 5 %', { kind: 'link', setting: 'lossPercent', value: 5 }],
  ['set the rate to no limit', { kind: 'link', setting: 'kbitPerSecond', value: 0 }],
  ['set the path mtu to any size', { kind: 'link', setting: 'pathBytes', value: 0 }],
  ['set the delay to 0 ms', { kind: 'link', setting: 'delayMs', value: 0 }],
  ['cut the link for 2 s', { kind: 'blackout', ms: 2000 }],
  ['gave client 1 a new address', { kind: 'move', client: 1 }],
  ["made client 2's NAT choose another port", { kind: 'rebind', client: 2 }],
  ['restarted the relay', { kind: 'restart', node: 0 }],
  ['set the clock of client 1 back by 30 s', { kind: 'clock', node: 1, seconds: -30 }],
  ['set the clock of the relay forward by 30 s', { kind: 'clock', node: 0, seconds: 30 }],
  ['asked client 1 for new keys', { kind: 'rekey', node: 1 }],
  ['started another client', { kind: 'peer' }],
  ['let client 1 upload 999 bytes', { kind: 'upload', client: 1, bytes: 999 }],
  ['let client 1 upload 20 kB', { kind: 'upload', client: 1, bytes: 20_000 }],
  ['let client 2 download 1.5 MB', { kind: 'download', client: 2, bytes: 1_500_000 }],
  ['let the relay read nothing', { kind: 'reader', node: 0, kilobytesPerSecond: 0 }],
  ['let the relay read 20 kB a second', { kind: 'reader', node: 0, kilobytesPerSecond: 20 }],
  ['let client 1 read at once', { kind: 'reader', node: 1, kilobytesPerSecond: READS_AT_ONCE }],
];

describe('what the playground says of an action', () => {
  it.each(WORDS)('is that you %s', (words, deed) => {
    expect(describeDeed(deed)).toBe(`You ${words}`);
  });
});
