// One session between a client and a relay, recorded: the real protocol and real cryptography, in virtual time and with
// randomness from a seed, so that every run gives the same bytes.

import { encodeRequest, encodeStatus } from '@underpass/forward';
import { asciiBytes, createPortableSuite, Endpoint, TransmitBatch } from '@underpass/protocol';

/** The private keys of Alice and Bob in RFC 7748 §6.1. They are published, so they protect nothing. */
export const PRIVATE_KEYS = {
  client: '77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a',
  relay: '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb',
};
/** All other secrets are drawn from this text. */
export const SEED = 'underpass: an annotated session';

export const ADDRESSES = {
  client: { address: '192.0.2.2', port: 40_000 },
  relay: { address: '198.51.100.1', port: 51_820 },
};
export const START_UNIX_MS = Date.UTC(2026, 0, 1, 12);
/** One way. */
export const DELAY_MS = 20;
/** How long the relay takes to connect to the target. */
const DIAL_MS = 5;
/** The second request comes when the keys are two minutes old (spec session 5.2). */
export const SECOND_REQUEST_MS = 121_000;
const CLOSE_AFTER_MS = 1_000;

export const TARGET = { host: 'notes.internal', port: 80 };
const REQUESTS = [
  'GET /today.txt HTTP/1.1\r\nHost: notes.internal\r\nConnection: close\r\n\r\n',
  'GET /tomorrow.txt HTTP/1.1\r\nHost: notes.internal\r\nConnection: close\r\n\r\n',
];
const NOTES = Array.from(
  { length: 40 },
  (_, i) => `Note ${String(i + 1).padStart(2)} of 40: a page long enough to need three packets.\n`,
).join('');
const RESPONSES = [
  `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${NOTES.length}\r\n\r\n${NOTES}`,
  'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
];
/** The network loses the relay's datagram with this counter under the first keys. */
const LOST_COUNTER = 1;

/** @returns what went over the network, in the order in which it was sent: `keys`, lines of the key log that were written
 *  before it, and `datagram` with its time, sender, bytes and whether it was lost */
export function recordSession() {
  return new Recording().run();
}

/** The two endpoints, the network between them, and a program at each end. Everything that will happen waits in one list
 *  with its time. */
class Recording {
  #now = 0;
  /** @type {{ at: number, run: () => void }[]} */
  #later = [];
  #datagrams = [];
  #keyLines = [];
  #sides = {};

  run() {
    const suite = createPortableSuite();
    for (const name of ['client', 'relay']) this.#sides[name] = this.#createSide(suite, name);
    const { client, relay } = this.#sides;
    client.peer = client.endpoint.addPeer({ publicKey: relay.endpoint.publicKey, address: ADDRESSES.relay });
    relay.peer = relay.endpoint.addPeer({ publicKey: client.endpoint.publicKey });
    this.#at(0, () => this.#ask(0));
    this.#at(SECOND_REQUEST_MS, () => this.#ask(1));
    while (this.#step());
    return this.#datagrams;
  }

  #createSide(suite, name) {
    const random = randomFrom(suite, `${SEED}, ${name}`);
    const endpoint = new Endpoint({
      role: name,
      privateKey: fromHex(PRIVATE_KEYS[name]),
      suite,
      random,
      unixTimeMs: () => START_UNIX_MS + this.#now,
      transport: { softwareName: 'underpass' },
      keyLog: (line) => this.#keyLines.push({ by: name, line }),
    });
    return { name, endpoint, batch: new TransmitBatch() };
  }

  // ---- the programs ---------------------------------------------------------------------------------------------

  /** Opens a stream for one HTTP request, as a client does for each connection to its port. */
  #ask(number) {
    const stream = this.#sides.client.peer.openStream();
    stream.write(encodeRequest({ kind: 'tcp', ...TARGET }));
    stream.write(asciiBytes(REQUESTS[number]));
    stream.finish();
  }

  #onReadable({ name, endpoint }, stream) {
    while (stream.read() !== undefined);
    if (!stream.readFinished) return;
    const number = stream.id / 2; // the client's first streams are 0 and 2
    if (name === 'relay') this.#at(DIAL_MS, () => answer(stream, number));
    else if (number === REQUESTS.length - 1) this.#at(CLOSE_AFTER_MS, () => endpoint.close());
  }

  // ---- the loop of each side, and the network ---------------------------------------------------------------------

  #at(delayMs, run) {
    this.#later.push({ at: this.#now + delayMs, run });
  }

  /** Lets the next thing happen. @returns false when nothing more will */
  #step() {
    for (const side of Object.values(this.#sides)) this.#serve(side);
    const timers = Object.values(this.#sides).flatMap(({ endpoint }) => {
      const due = endpoint.pollTimeout();
      return due === undefined ? [] : [{ at: due.at, run: () => endpoint.handleTimeout(this.#now) }];
    });
    // When nothing but timers is left, the session is over: what follows is silence.
    if (this.#later.length === 0) return false;
    const next = [...this.#later, ...timers].reduce((a, b) => (b.at < a.at ? b : a));
    this.#later = this.#later.filter((event) => event !== next);
    this.#now = Math.max(this.#now, next.at);
    next.run();
    return true;
  }

  #serve(side) {
    for (let more = true; more; ) {
      for (let event = side.endpoint.pollEvent(); event !== undefined; event = side.endpoint.pollEvent()) {
        if (event.type === 'stream-readable') this.#onReadable(side, event.stream);
      }
      more = side.endpoint.pollTransmit(this.#now, side.batch);
      if (more) this.#send(side);
    }
  }

  #send({ name, batch }) {
    for (let at = 0; at < batch.lengthBytes; at += batch.segmentBytes) {
      const bytes = batch.buffer.slice(at, Math.min(at + batch.segmentBytes, batch.lengthBytes));
      const isLost =
        name === 'relay' && this.#now < SECOND_REQUEST_MS && bytes[0] === 4 && bytes[8] === LOST_COUNTER;
      const keys = this.#keyLines.splice(0);
      this.#datagrams.push({ at: this.#now, from: name, bytes, isLost, keys });
      if (!isLost) this.#at(DELAY_MS, () => this.#deliver(name, bytes));
    }
  }

  #deliver(from, bytes) {
    const { endpoint } = this.#sides[from === 'client' ? 'relay' : 'client'];
    const answer = endpoint.handleDatagram(this.#now, bytes.slice(), ADDRESSES[from]);
    if (typeof answer !== 'string') throw new Error('a datagram was answered on its own');
  }
}

/** What the target answers, behind the relay's status. */
function answer(stream, number) {
  stream.write(encodeStatus('opened'));
  stream.write(asciiBytes(RESPONSES[number]));
  stream.finish();
}

/** A stream of bytes from a text: the hashes of the text and a counter. */
function randomFrom(suite, seed) {
  let draws = 0;
  return (length) => {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += 32) {
      const block = suite.hash(asciiBytes(`${seed}, ${draws++}`));
      bytes.set(block.subarray(0, length - at), at);
    }
    return bytes;
  };
}

function fromHex(text) {
  return Uint8Array.from(text.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
}
