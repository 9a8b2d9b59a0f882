/** Who receives which event of an endpoint. */
import {
  type Address,
  type ConnectionError,
  type EndpointEvent,
  type Peer,
  type Stream,
  StreamErrorCode,
  TurnoverMap,
} from '@underpass/protocol';

/** Receives the events of one stream. `onClosed` is the last. */
export interface StreamHandler {
  onReadable?(): void;
  onWritable?(): void;
  /** Messages of the flow can be read (spec datagrams). */
  onDatagrams?(): void;
  onReset?(code: number): void;
  onStopped?(code: number): void;
  onClosed?(): void;
}

export interface DriverHandler {
  onConnected(peer: Peer): void;
  /** @param lostStreams  how many streams ended with the connection */
  onDisconnected(peer: Peer, error: ConnectionError, lostStreams: number): void;
  /** The peer's new address is validated. */
  onMoved?(peer: Peer, from: Address, to: Address): void;
  /** Two processes use this peer's key, from these addresses. */
  onKeyShared?(peer: Peer, addresses: readonly Address[]): void;
  /** The peer has owed an answer since `since` (milliseconds of the driver's clock), so streams wait. */
  onWaiting?(peer: Peer, since: number): void;
  onResumed?(peer: Peer, silentMs: number): void;
  /** Datagrams of `datagramBytes` of UDP payload reach the peer only in fragments (spec mtu 3.6). */
  onPathFragments?(peer: Peer, datagramBytes: number): void;
  /** The system refused to send a datagram. @param code the name of its error, for example ENETUNREACH */
  onSendError?(to: Address, code: string): void;
  /** The owner of the private half of `publicKey`, which belongs to no peer, tried to connect. */
  onUnknownKey?(publicKey: Uint8Array, from: Address): void;
  /** The peer's handshakes are refused because its clock is behind an earlier value of itself. Both are Unix
   *  milliseconds. */
  onClockBehind?(peer: Peer, clockMs: number, earlierClockMs: number): void;
  /** `peer.openStream` can open streams again after it could not. */
  onStreamsAvailable?(peer: Peer): void;
  /** The other side opened `stream`. */
  onStream(peer: Peer, stream: Stream): void;
}

/** Passes each event on: those of a stream to the handler attached to it, the others to the driver's. It forgets a stream's
 *  handler when the stream is closed, and does nothing else. */
export class EventDispatcher {
  readonly #handler: DriverHandler;
  readonly #streams = new TurnoverMap<Stream, StreamHandler>();

  constructor(handler: DriverHandler) {
    this.#handler = handler;
  }

  /** How many streams have a handler. */
  get attachedStreams(): number {
    return this.#streams.size;
  }

  /** Sends the events of `stream` to `handler` until the stream is closed. */
  attach(stream: Stream, handler: StreamHandler): void {
    this.#streams.set(stream, handler);
  }

  dispatch(event: EndpointEvent): void {
    switch (event.type) {
      case 'connected':
        this.#handler.onConnected(event.peer);
        return;
      case 'disconnected':
        this.#handler.onDisconnected(event.peer, event.error, event.lostStreams);
        return;
      case 'waiting':
        this.#handler.onWaiting?.(event.peer, event.since);
        return;
      case 'resumed':
        this.#handler.onResumed?.(event.peer, event.silentMs);
        return;
      case 'path-fragments':
        this.#handler.onPathFragments?.(event.peer, event.datagramBytes);
        return;
      case 'moved':
        this.#handler.onMoved?.(event.peer, event.from, event.to);
        return;
      case 'key-shared':
        this.#handler.onKeyShared?.(event.peer, event.addresses);
        return;
      case 'unknown-key':
        this.#handler.onUnknownKey?.(event.publicKey, event.from);
        return;
      case 'clock-behind':
        this.#handler.onClockBehind?.(event.peer, event.clockMs, event.earlierClockMs);
        return;
      case 'streams-available':
        this.#handler.onStreamsAvailable?.(event.peer);
        return;
      case 'stream-opened':
        this.#handler.onStream(event.peer, event.stream);
        return;
      case 'stream-readable':
        this.#streams.get(event.stream)?.onReadable?.();
        return;
      case 'stream-datagrams':
        this.#streams.get(event.stream)?.onDatagrams?.();
        return;
      case 'stream-writable':
        this.#streams.get(event.stream)?.onWritable?.();
        return;
      case 'stream-stopped':
        this.#streams.get(event.stream)?.onStopped?.(event.code);
        return;
      case 'stream-reset':
        this.#streams.get(event.stream)?.onReset?.(event.code);
        // The connection is gone, so no event will close the stream.
        if (event.code === StreamErrorCode.connectionLost) this.#detach(event.stream);
        return;
      case 'stream-closed':
        this.#detach(event.stream);
        return;
    }
  }

  #detach(stream: Stream): void {
    const handler = this.#streams.get(stream);
    this.#streams.delete(stream);
    handler?.onClosed?.();
  }
}
