/** What `dissect` returns. */

/** Some consecutive bytes with one meaning. */
export interface Field {
  readonly offset: number;
  /** At least 1. */
  readonly length: number;
  /** In the words of the specification, for example `receiver index`. */
  readonly name: string;
  /** The value in words, for example `0x5f3a91c2` or `3.2 ms`. */
  readonly value: string;
  /** The section of docs/spec that defines the field: `wire 2.5` is section 2.5 of docs/spec/wire.md. */
  readonly spec: string;
}

/** Fields that belong together: the header of a message, a frame, a run of padding. */
export interface Part {
  /** For example `STREAM`. */
  readonly name: string;
  /** What it says, in words, for example `stream 0, bytes 0 to 99, FIN`. May be empty. */
  readonly summary: string;
  readonly spec: string;
  readonly fields: readonly Field[];
}

export type DissectionKind = 'initiation' | 'response' | 'cookie-reply' | 'transport' | 'unknown';

/** The fields of all parts, one after the other, cover every byte of the datagram once, without a gap. */
export interface Dissection {
  readonly kind: DissectionKind;
  /** One line about the whole, for example `packet 7: ACK, STREAM`. */
  readonly summary: string;
  readonly parts: readonly Part[];
  /** Why the rest could not be decoded. The last part covers that rest, unless nothing is left. */
  readonly problem?: string;
}
