/** Where a datagram came from, or where it goes: an IP address and a UDP port, as the socket gave them.
 *
 *  The protocol treats the IP address as opaque text, with one exception: the rate limiter needs the /64 of an IPv6
 *  address. */
export interface Address {
  /** An IPv4 or IPv6 literal without brackets or zone; IPv4-mapped IPv6 is written as IPv4. */
  readonly address: string;
  readonly port: number;
  /** On a host with several addresses: the host's own address at the near end of the path, in the socket's notation.
   *  If it is absent, the system chooses which address to send from (spec path 6). */
  readonly local?: string;
}

/** Whether both are the same path: the same address, port and local address. Two missing addresses are the same. */
export function sameAddress(a: Address | undefined, b: Address | undefined): boolean {
  if (a === b) return true;
  return (
    a !== undefined && b !== undefined && a.port === b.port && a.address === b.address && a.local === b.local
  );
}
