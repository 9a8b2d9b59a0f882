import { expect, it } from 'vitest';
import { JoinedCount } from '../../src/control/joined-count.js';

it('a client is idle again when every process that used it has left', async () => {
  const users = new JoinedCount();
  await users.idle();
  const [first, second] = [users.enter(), users.enter()];
  let isIdle = false;
  const idle = users.idle().then(() => {
    isIdle = true;
  });
  first();
  await Promise.resolve();
  expect(isIdle).toBe(false);
  second();
  await idle;
  await users.idle();
});
