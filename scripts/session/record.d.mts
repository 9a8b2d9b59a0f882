export interface RecordedDatagram {
  /** Milliseconds since the session began. */
  readonly at: number;
  readonly from: 'client' | 'relay';
  readonly bytes: Uint8Array;
  /** Whether the network lost it. */
  readonly isLost: boolean;
  /** Lines of the key log that were written before it, and by which side. */
  readonly keys: readonly { readonly by: 'client' | 'relay'; readonly line: string }[];
}

export function recordSession(): RecordedDatagram[];
