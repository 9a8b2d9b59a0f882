/** Where a forward listens, as people write it. */
import type { BoundForward } from '@underpass/client';
import { formatTarget } from '@underpass/forward';

export function placesOf({ addresses, path }: BoundForward): readonly string[] {
  if (path !== undefined) return [formatTarget({ path })];
  return addresses.map(({ address, port }) => formatTarget({ host: address, port }));
}
