/** The open streams of a connection by id, and how many each side may open (spec streams 4.1, 5.4).
 *
 *  Ids say who opened a stream: the client's are even, the relay's odd, each counted from 0. A stream is in the table from its first frame
 *  or `open` until both directions are over; an id below the count that is not in the table is one that is over. */
import { assert } from '../../assert.js';
import { ConnectionErrorCode } from '../../failure.js';
import { INITIAL_MAX_STREAMS } from '../limits.js';
import type { PeerPlaces } from './peer-places.js';
import type { ConnectionStream } from './stream.js';

export interface StreamError {
  readonly code: number;
  readonly reason: string;
}

export class StreamTable {
  readonly #places: PeerPlaces;
  readonly #maxOpen: number;
  readonly #create: (id: number, incoming: boolean) => ConnectionStream;
  /** 0 for the client's ids, 1 for the relay's. */
  readonly #ownBit: number;
  readonly #streams = new Map<number, ConnectionStream>();
  #openedByUs = 0;
  /** Of these, the ones that are not over. */
  #ownOpen = 0;
  #openedByPeer = 0;
  /** How many we may open. */
  #maxStreamsOfPeer = INITIAL_MAX_STREAMS;
  /** One could not be opened. */
  #wantsStream = false;

  /** @param places  those of the peer's streams
   *  @param maxOpen  of our own streams, how many may be open at one time: their answers need first windows of ours */
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

  open(): ConnectionStream | undefined {
    this.#wantsStream = !this.#mayOpen;
    if (this.#wantsStream) return undefined;
    return this.#add(this.#nextOwnId(), false);
  }

  /** Gives a stream that an earlier connection has lost an id of this one. There must be a place for it. */
  reopen(stream: ConnectionStream, begin: (id: number) => void): void {
    assert(this.#openedByUs < this.#maxStreamsOfPeer, 'there is a place for it');
    begin(this.#nextOwnId());
    this.#streams.set(stream.id, stream);
  }

  /** Takes out our streams on which nobody can have acted, the oldest first (spec streams 3.8).
   *  @param keypairId the first one that the present run of the peer has */
  takeUnheard(keypairId: number, most: number): ConnectionStream[] {
    const taken = [...this.#streams.values()].filter((stream) => stream.isUnheard(keypairId)).slice(0, most);
    for (const stream of taken) this.remove(stream);
    return taken;
  }

  /** @returns false when the limit is no higher than before */
  raiseMaxStreams(maximum: number): boolean {
    if (maximum <= this.#maxStreamsOfPeer) return false;
    this.#maxStreamsOfPeer = maximum;
    return true;
  }

  /** Returns true once when a stream can be opened after one could not. */
  takeRoom(): boolean {
    if (!this.#wantsStream || !this.#mayOpen) return false;
    this.#wantsStream = false;
    return true;
  }

  // ---- the peer's -------------------------------------------------------------------------------------------

  /** The stream that a frame names; undefined when it is over; an error when the peer may not name it. */
  lookup(id: number): ConnectionStream | undefined | StreamError {
    const stream = this.#streams.get(id);
    if (stream !== undefined) return stream;
    const index = Math.floor(id / 2);
    if (id % 2 === this.#ownBit) {
      if (index < this.#openedByUs) return undefined;
      return { code: ConnectionErrorCode.streamState, reason: 'frame for a stream that was never opened' };
    }
    if (index < this.#openedByPeer) return undefined;
    if (index >= this.#places.granted) {
      return { code: ConnectionErrorCode.streamLimit, reason: 'stream beyond the limit' };
    }
    // spec streams 4.1: opening one opens the lower ones too
    while (this.#openedByPeer <= index) this.#add(2 * this.#openedByPeer++ + (1 - this.#ownBit), true);
    return this.#streams.get(id);
  }

  // ---- both -------------------------------------------------------------------------------------------------

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

  /** spec streams 5.4: our own limit holds for our own streams, too. */
  get #mayOpen(): boolean {
    return this.#openedByUs < this.#maxStreamsOfPeer && this.#ownOpen < this.#maxOpen;
  }
}
