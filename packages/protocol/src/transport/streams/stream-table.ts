import { assert } from '../../assert.js';
import { ConnectionErrorCode } from '../../failure.js';
import { TurnoverMap } from '../../turnover.js';
import { INITIAL_MAX_STREAMS } from '../limits.js';
import type { PeerPlaces } from './peer-places.js';
import type { ConnectionStream } from './stream.js';

/** An error that ends the connection: a ConnectionErrorCode, and the reason for people. */
export interface StreamError {
  readonly code: number;
  readonly reason: string;
}

/** The open streams of a connection by id, and how many each side may open (spec streams 4.1, 5.4).
 *
 *  An id says who opened the stream: the client's are even and the relay's are odd, each counted from 0. A stream is in
 *  the table from `open`, or from its first frame, until both its directions are over. An id below the count of opened
 *  streams that is not in the table belongs to a stream that is over.
 *
 *  StreamSet owns the table. The table decides which streams exist, and nothing about what they send or receive. */
export class StreamTable {
  readonly #places: PeerPlaces;
  readonly #maxOpen: number;
  readonly #create: (id: number, incoming: boolean) => ConnectionStream;
  /** 0 for the client's ids, 1 for the relay's. */
  readonly #ownBit: number;
  readonly #streams = new TurnoverMap<number, ConnectionStream>();
  /** How many streams we have opened. */
  #openedByUs = 0;
  /** How many of them are not over. */
  #ownOpen = 0;
  /** How many streams the peer has opened. */
  #openedByPeer = 0;
  /** How many streams the peer permits us to open in all. */
  #maxStreamsOfPeer = INITIAL_MAX_STREAMS;
  /** The last `open` failed. */
  #wantsStream = false;

  /** @param places how many streams the peer may open
   *  @param maxOpen how many of our own streams may be open at the same time, because their answers need first windows
   *  too
   *  @param create makes a stream */
  constructor(
    role: 'client' | 'relay',
    places: PeerPlaces,
    maxOpen: number,
    create: (id: number, incoming: boolean) => ConnectionStream,
  ) {
    this.#ownBit = role === 'client' ? 0 : 1;
    this.#places = places;
    this.#maxOpen = maxOpen;
    this.#create = create;
  }

  get size(): number {
    return this.#streams.size;
  }
  get(id: number): ConnectionStream | undefined {
    return this.#streams.get(id);
  }
  [Symbol.iterator](): Iterator<ConnectionStream> {
    return this.#streams.values();
  }

  // ---- ours -------------------------------------------------------------------------------------------------

  /** Opens a stream.
   *  @returns undefined if we may open no more */
  open(): ConnectionStream | undefined {
    this.#wantsStream = !this.#mayOpen;
    if (this.#wantsStream) return undefined;
    return this.#add(this.#nextOwnId(), false);
  }

  /** Adds a stream that starts over after its connection has ended. We must be permitted to open it.
   *  @param begin is called with its new id */
  reopen(stream: ConnectionStream, begin: (id: number) => void): void {
    assert(this.#openedByUs < this.#maxStreamsOfPeer, 'there is a place for it');
    begin(this.#nextOwnId());
    this.#streams.set(stream.id, stream);
  }

  /** Removes those of our streams on which nobody can have acted, the oldest first (spec streams 3.8).
   *  @param keypairId the first keypair of the peer's current run
   *  @param most how many to remove at most
   *  @returns the streams */
  takeUnheard(keypairId: number, most: number): ConnectionStream[] {
    const taken = [...this.#streams.values()].filter((stream) => stream.isUnheard(keypairId)).slice(0, most);
    for (const stream of taken) this.remove(stream);
    return taken;
  }

  /** MAX_STREAMS arrived.
   *  @returns false if the limit is not higher than before */
  raiseMaxStreams(maximum: number): boolean {
    if (maximum <= this.#maxStreamsOfPeer) return false;
    this.#maxStreamsOfPeer = maximum;
    return true;
  }

  /** Whether a stream can be opened again after `open` failed. Returns true once per failure. */
  takeRoom(): boolean {
    if (!this.#wantsStream || !this.#mayOpen) return false;
    this.#wantsStream = false;
    return true;
  }

  // ---- the peer's -------------------------------------------------------------------------------------------

  /** Finds the stream that a frame of the peer names, which may open it.
   *  @returns undefined if the stream is over, or an error if the peer may not name it */
  lookup(id: number): ConnectionStream | undefined | StreamError {
    const stream = this.#streams.get(id);
    if (stream !== undefined) return stream;
    const problem = this.problemOf(id);
    if (problem !== undefined) return problem;
    const index = Math.floor(id / 2);
    if (id % 2 === this.#ownBit || index < this.#openedByPeer) return undefined;
    // To open a stream also opens all lower ones (spec streams 4.1).
    while (this.#openedByPeer <= index) this.#add(2 * this.#openedByPeer++ + (1 - this.#ownBit), true);
    return this.#streams.get(id);
  }

  /** Returns why the peer may not name the stream with this id, if it may not. */
  problemOf(id: number): StreamError | undefined {
    const index = Math.floor(id / 2);
    if (id % 2 !== this.#ownBit) {
      if (index < this.#places.granted) return undefined;
      return { code: ConnectionErrorCode.streamLimit, reason: 'stream beyond the limit' };
    }
    if (index < this.#openedByUs) return undefined;
    return { code: ConnectionErrorCode.streamState, reason: 'frame for a stream that was never opened' };
  }

  // ---- both -------------------------------------------------------------------------------------------------

  /** Removes a stream that is over. */
  remove(stream: ConnectionStream): void {
    this.#streams.delete(stream.id);
    if (!stream.incoming) this.#ownOpen--;
  }

  clear(): void {
    this.#streams.clear();
  }

  #nextOwnId(): number {
    this.#ownOpen++;
    return 2 * this.#openedByUs++ + this.#ownBit;
  }

  #add(id: number, incoming: boolean): ConnectionStream {
    const stream = this.#create(id, incoming);
    this.#streams.set(id, stream);
    return stream;
  }

  /** Whether we may open a stream. Our own limit applies to our own streams too (spec streams 5.4). */
  get #mayOpen(): boolean {
    return this.#openedByUs < this.#maxStreamsOfPeer && this.#ownOpen < this.#maxOpen;
  }
}
