/** Where a datagram came from or goes to. The text is what the socket gave; the protocol only compares it. */
export interface Address {
  /** An IPv4 or IPv6 literal without brackets or zone; IPv4-mapped IPv6 is written as IPv4. */
  readonly address: string;
  readonly port: number;
}

export function sameAddress(a: Address | undefined, b: Address | undefined): boolean {
  if (a === b) return true;
  return a !== undefined && b !== undefined && a.port === b.port && a.address === b.address;
}
