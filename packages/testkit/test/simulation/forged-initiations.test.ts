import { createInsecureTestSuite, ForgedInitiations, SeededRandom } from '@underpass/testkit';
import { expect, test } from 'vitest';

test('a stranger has as many different initiations as a flood needs', () => {
  const stranger = new ForgedInitiations(
    createInsecureTestSuite(),
    new SeededRandom(1),
    new Uint8Array(32).fill(7),
  );
  const messages = Array.from({ length: 100 }, () => stranger.next());
  for (const message of messages)
    expect([message.length, ...message.subarray(0, 4)]).toEqual([148, 1, 0, 0, 0]);
  expect(new Set(messages.map(String)).size).toBe(100);
});
