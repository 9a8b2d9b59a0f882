// The network between the two sides of a tunnel: two namespaces, or loopback without root.

import { Namespaces } from './namespaces.mjs';

/** What most Linux machines use, for networks that lose nothing. */
export const DEFAULT_CONGESTION = 'cubic';
/** What is best on links that lose packets, so that the comparison there is with the best that the kernel has. */
export const LINK_CONGESTION = 'bbr';

/** Both sides on this machine's loopback. */
class Loopback {
  address = { client: '127.0.0.1', relay: '127.0.0.1' };

  command(_side, program, parameters) {
    return [program, parameters];
  }

  async remove() {}
}

/** @param link  undefined for a network without limits */
export async function createNetwork({ hasNamespaces, link }) {
  if (!hasNamespaces) return new Loopback();
  return Namespaces.create({ link, congestion: link === undefined ? DEFAULT_CONGESTION : LINK_CONGESTION });
}
