import type { NetworkInterfaceInfo } from 'node:os';
import { expect, it, vi } from 'vitest';
import { BareClient, newKeys, rules, runRelay } from './bare-client.js';

/** A global unicast address, which any rule for it permits unless it is the relay's own. */
const OWN = '192.0.43.8';

vi.mock('node:os', async (importOriginal) => ({
  ...(await importOriginal<typeof import('node:os')>()),
  networkInterfaces: () => ({ eth0: [{ address: OWN } as NetworkInterfaceInfo] }),
}));

it("refuses the relay's own addresses unless a rule names them (spec forwarding 3.5)", async () => {
  const keys = newKeys();
  const relay = await runRelay([{ name: 'laptop', publicKey: keys.publicKey, allow: rules('*:*') }], {
    resolve: async () => [OWN],
  });
  const client = await BareClient.connect(relay, keys);
  const answer = client.ask('relay.example', 22);
  await answer.until(({ isOver }) => isOver);
  expect(answer.status()).toBe('not-allowed');
  expect((await relay.next('refused')).advice).toContain('an address of the relay itself');
});
