/** What became of the messages of a peer's flows (spec datagrams). Counts cover all connections of the peer. */
export interface DatagramCounts {
  /** How many were put into packets. */
  readonly sent: number;
  /** How many the application has read. */
  readonly received: number;
  /** Not sent: larger than the path carries (spec datagrams 2.2). */
  readonly tooLarge: number;
  /** Not sent: there were more than the path took (spec datagrams 3.1). */
  readonly sendQueueFull: number;
  /** Not sent: they had waited for too long, or their flow had ended. */
  readonly expired: number;
  /** Arrived for a stream that was not open (spec datagrams 2.3). */
  readonly withoutFlow: number;
  /** Arrived faster than the application read them (spec datagrams 3.3). */
  readonly receiveQueueFull: number;
}

export type CountsOfDatagrams = { -readonly [Name in keyof DatagramCounts]: number };

/** Returns counts that start at zero. */
export function noDatagrams(): CountsOfDatagrams {
  return {
    sent: 0,
    received: 0,
    tooLarge: 0,
    sendQueueFull: 0,
    expired: 0,
    withoutFlow: 0,
    receiveQueueFull: 0,
  };
}
