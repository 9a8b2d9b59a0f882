/** Where a datagram came from or goes to. The text is what the socket gave; the protocol only compares it. */
export interface Address {
  /** An IPv4 or IPv6 literal without brackets or zone; IPv4-mapped IPv6 is written as IPv4. */
  readonly address: string;
  readonly port: number;
  /** Which of our own addresses this is the other end for, on a host with several; the text is the socket's. Absent: the system
   *  chooses what we send from (spec path 6). */
  readonly local?: string;
}

export function sameAddress(a: Address | undefined, b: Address | undefined): boolean {
  if (a === b) return true;
  return (
    a !== undefined && b !== undefined && a.port === b.port && a.address === b.address && a.local === b.local
  );
}
