import { createPortableSuite } from '@underpass/protocol';
import { describeLowOrder, describeSuite } from '@underpass/testkit/crypto';
import { expect, it } from 'vitest';

describeSuite('portable', createPortableSuite);
describeLowOrder('portable', createPortableSuite);

it('is named after the libraries that it uses', () => {
  expect(createPortableSuite().name).toBe('portable (tweetnacl + noble)');
});
