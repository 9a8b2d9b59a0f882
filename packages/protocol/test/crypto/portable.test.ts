import { createPortableSuite } from '@underpass/protocol';
import { describeLowOrder, describeSuite } from '@underpass/testkit/crypto';
import { expect, it } from 'vitest';

describeSuite('portable', createPortableSuite);
describeLowOrder('portable', createPortableSuite);

it('says by its name what it is', () => {
  expect(createPortableSuite().name).toBe('portable (tweetnacl + noble)');
});
