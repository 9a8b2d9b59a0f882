/** Counts since the session was created. */
export interface SessionStats {
  /** Handshakes that are complete: our response was used, or we received the peer's. */
  handshakes: number;
  /** The time from our last initiation that got a response until that response. Undefined if there is none. */
  handshakeRttMs: number | undefined;
  /** Datagrams and bytes of UDP payload, of all message types except cookie replies. Received ones have
   *  authenticated. */
  datagramsSent: number;
  datagramsReceived: number;
  bytesSent: number;
  bytesReceived: number;
}

export function newSessionStats(): SessionStats {
  return {
    handshakes: 0,
    handshakeRttMs: undefined,
    datagramsSent: 0,
    datagramsReceived: 0,
    bytesSent: 0,
    bytesReceived: 0,
  };
}
