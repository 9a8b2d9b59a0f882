import { createPortableSuite } from '@underpass/protocol';
import { describeLowOrder, describeSuite } from '@underpass/testkit/crypto';
import { expect, it } from 'vitest';

describeSuite('portable', createPortableSuite);
describeLowOrder('portable', createPortableSuite);

it('has the name that --suite and the status use', () => {
  expect(createPortableSuite().name).toBe('portable');
});
