/** Each rule sees a run that obeys it and one that breaks it, because a rule that cannot fail proves nothing. */

import {
  ConnectionErrorCode,
  DEFAULT_TRANSPORT,
  type EndpointEvent,
  RoamingPath,
  StreamErrorCode,
  WireGuard,
} from '@underpass/protocol';
import {
  type ArrivedDatagram,
  CryptoLog,
  createInsecureTestSuite,
  drawNamed,
  FlightModels,
  MessageKind,
  type NodeName,
  type ObservedProcess,
  type PacketView,
  RULES,
  type RuleWatch,
  type SentDatagram,
  START_UNIX_MS,
  type Stage,
} from '@underpass/testkit';
import { describe, expect, test } from 'vitest';

const CLIENT_AT = { address: '192.0.2.1', port: 40_000 };
const RELAY_AT = { address: '198.51.100.1', port: 51_820 };
const ELSEWHERE = { address: '203.0.113.9', port: 9 };
/** One hour after the start, everything before the run is long past. */
const START_MS = 3_600_000;
const DATAGRAM_BYTES = 1_200;

/** One rule, with a client and a relay whose actions the test invents. */
class Play {
  now = START_MS;
  readonly violations: string[] = [];
  readonly client = processOf('client', 1);
  readonly relay = processOf('relay', 1);
  stats: Record<string, unknown> = {};
  readBytes = 0;
  view: Record<string, unknown> = { timers: [{ at: START_MS + 50, reason: 'planted' }] };
  liveStreams: number | undefined;
  troubledAt = Number.POSITIVE_INFINITY;
  transport: Record<string, unknown> = {};
  isSettled = true;
  isOnTrial = false;
  mayGoBack = false;
  address = RELAY_AT;
  keepaliveMs = 0;
  proven: typeof CLIENT_AT | undefined = RELAY_AT;
  readonly #watches: readonly RuleWatch[];
  #packetNumber = 0;
  #counter = 0;

  constructor(name: string) {
    const rule = RULES.find((candidate) => candidate.name === name);
    if (rule === undefined) throw new Error(`there is no rule ${name}`);
    const play = this;
    const flights = new FlightModels(() => ({ proven: this.proven }));
    const stage = {
      scenario: {
        ...drawNamed(1, 'steady'),
        violation:
          name === 'malformed packets' ? { node: 'client', at: 0, kind: 'two acknowledgements' } : undefined,
        refusals: [{ node: 'client', from: START_MS + 1_000, aboveBytes: 1_400 }],
      },
      secrets: SECRETS,
      now: () => this.now,
      troubledAt: () => this.troubledAt,
      stats: () => this.stats,
      readBytes: () => this.readBytes,
      view: () => this.view,
      liveStreams: () => this.liveStreams,
      path: () => ({
        get address() {
          return play.address;
        },
        isSettled: this.isSettled,
        isCertain: true,
        get isOnTrial() {
          return play.isOnTrial;
        },
        mayGoBack: () => play.mayGoBack,
        mayBeProven: (address: typeof CLIENT_AT) => address === this.proven,
        get proven() {
          return play.proven;
        },
      }),
      flight: (process: ObservedProcess, peer: NodeName) => flights.of(process, peer),
      transport: () => ({ ...DEFAULT_TRANSPORT, ...this.transport }),
      keepaliveMs: () => this.keepaliveMs,
      wasFrozen: () => false,
      wasEnded: () => false,
      report: (violation: string) => this.violations.push(violation),
    } as unknown as Stage;
    this.#watches = [flights.before, rule.watch(stage), flights.after];
  }

  wait(ms: number): void {
    this.now += ms;
  }

  /** A transport message with this packet, described by its frames. */
  send(
    by: ObservedProcess,
    packet: Partial<PacketView> = {},
    over: Partial<SentDatagram> = {},
  ): SentDatagram {
    const sent: SentDatagram = {
      by,
      at: this.now,
      to: RELAY_AT,
      towards: by.node === 'relay' ? 'client' : 'relay',
      bytes: DATAGRAM_BYTES,
      kind: MessageKind.transport,
      senderIndex: -1,
      receiverIndex: 7,
      isCopy: false,
      original: undefined,
      key: `${by.name} key`,
      counter: this.#counter++,
      packet: {
        packetNumber: this.#packetNumber++,
        isAckEliciting: true,
        isOnlyPing: false,
        frames: 1,
        ...packet,
      },
      payloadBytes: DATAGRAM_BYTES - 32,
      message: undefined,
      ...over,
    };
    for (const watch of this.#watches) watch.onSent?.(sent);
    return sent;
  }

  handshake(by: ObservedProcess, over: Partial<SentDatagram> = {}): SentDatagram {
    const none = { key: undefined, packet: undefined, payloadBytes: 0, bytes: 148 };
    return this.send(by, {}, { kind: MessageKind.initiation, ...none, ...over });
  }

  farewell(packetNumber = Number.MAX_SAFE_INTEGER): SentDatagram {
    return this.send(this.relay, { packetNumber });
  }

  /** The relay sends a transport message for the second time. */
  sendAgain(original: SentDatagram | undefined): void {
    const over = { key: undefined, counter: -1, packet: undefined };
    this.send(this.relay, {}, { ...over, isCopy: original !== undefined, original });
  }

  keepalive(by: ObservedProcess): void {
    this.send(by, {}, { packet: undefined, payloadBytes: 0, bytes: 32 });
  }

  arrive(by: ObservedProcess, sent: SentDatagram | undefined, over: Partial<ArrivedDatagram> = {}): void {
    const { kind = MessageKind.transport, bytes = DATAGRAM_BYTES } = sent ?? {};
    const state = {
      isFresh: true,
      isNewest: true,
      madeKeypair: false,
      dropped: undefined,
      unknown: undefined,
      known: sent,
      message: sent?.message,
    };
    for (const watch of this.#watches)
      watch.onArrived?.({ at: this.now, by, from: CLIENT_AT, bytes, kind, sent, ...state, ...over });
  }

  /** Acknowledges the client's packet `packetNumber` and those in `others`. */
  acknowledge(...numbers: number[]): void {
    const ranges = numbers.sort((a, b) => b - a).map((n) => [n, n] as const);
    this.arrive(
      this.client,
      this.send(this.relay, { ...hello('r'), ack: { ranges, delayMs: 0 }, isAckEliciting: false }),
    );
  }

  turn(process: ObservedProcess, over = {}): void {
    const turn = {
      isUnasked: false,
      due: undefined,
      nextDue: undefined,
      datagramsSent: 1,
      events: 0,
      ...over,
    };
    for (const watch of this.#watches) watch.onTurn?.(process, turn);
  }

  /** An event of the process about the other side. */
  happen(process: ObservedProcess, event: Record<string, unknown>): void {
    for (const watch of this.#watches)
      watch.onEvent?.(process, { peer: {}, ...event } as unknown as EndpointEvent);
  }

  /** The application ends a direction of stream 0. */
  command(process: ObservedProcess, command: 'finish' | 'reset' | 'stop'): void {
    const peer = process.node === 'relay' ? 'client' : 'relay';
    for (const watch of this.#watches) watch.onCommand?.(process, peer, 0, command);
  }

  refuse(process: ObservedProcess, opened: number): void {
    for (const watch of this.#watches) watch.onRefused?.(process, 'relay', opened);
  }
}

function processOf(node: 'client' | 'relay', run: number): ObservedProcess {
  const crypto = { keys: [] as { key: string; at: number }[], liveCiphers: 0 };
  const other = node === 'relay' ? 'client' : 'relay';
  const name = `${node}/${run}`;
  const timesForgotten = new Map();
  return {
    node,
    run,
    name,
    startedAt: 0,
    crypto,
    peers: [other],
    timesForgotten,
    nodeOf: () => other,
  } as unknown as ObservedProcess;
}

const TOTALS = {
  datagramsSent: 0,
  bytesSent: 0,
  packetsLost: 0,
  streamBytesSent: 0,
  streamBytesReceived: 0,
  address: RELAY_AT,
};
const hello = (epoch = 'a', maxStreams = 128) => ({
  hello: { epoch, expectedEpoch: '', maxData: 0, maxStreamData: 0, maxStreams },
});
/** All of stream 0. */
const LAST = { streamId: 0, offset: 0, length: 100, fin: true };
const RESTARTED = { type: 'disconnected', error: { code: ConnectionErrorCode.peerRestarted } };
const data = (offset: number, length = 1_000) => ({ pieces: [{ streamId: 0, offset, length, fin: false }] });

/** The client has sent packets 0 to `last`, one each millisecond, with a round trip of 100 ms. */
function packets(play: Play, last: number): SentDatagram[] {
  const sent = [play.send(play.client, { ...hello(), packetNumber: 0 })];
  play.wait(100);
  play.acknowledge(0);
  // Any probe from before the first known round trip is long past.
  play.wait(5_000);
  for (let n = 1; n <= last; n++) {
    play.wait(1);
    sent.push(play.send(play.client, { ...data(1_000 * n), packetNumber: n }));
  }
  return sent;
}

/** After `packets(play, 5)`: packet 6 has a round trip of 20 ms, and packet 7 is in flight. */
function quickRoundTrip(play: Play): void {
  for (const n of [6, 7]) play.send(play.client, { ...data(1_000 * n), packetNumber: n });
  play.wait(20);
  play.acknowledge(6);
}

const SUITE = createInsecureTestSuite();
const PRIVATE_KEYS = { client: new Uint8Array(32).fill(1), relay: new Uint8Array(32).fill(2) };
const SECRETS = {
  suite: SUITE,
  keysOf: (node: 'client' | 'relay') => ({
    privateKey: PRIVATE_KEYS[node],
    publicKey: SUITE.x25519PublicKey(PRIVATE_KEYS[node]),
  }),
  presharedKeyOf: () => new Uint8Array(32),
  unixTimeMs: () => START_UNIX_MS,
};

/** A program of the client's or the relay's, whose cryptography is observed like that of a simulated one. */
function wireGuardOf(process: ObservedProcess, unixTimeMs = START_UNIX_MS) {
  const crypto = new CryptoLog(SUITE, () => START_MS);
  Object.assign(process, { crypto });
  const node = process.node as 'client' | 'relay';
  const other = node === 'relay' ? 'client' : 'relay';
  const core = new WireGuard({
    privateKey: PRIVATE_KEYS[node],
    suite: crypto.suite,
    random: (length) => new Uint8Array(length).fill(node === 'relay' ? 5 : 6),
    unixTimeMs: () => unixTimeMs,
  });
  const path = new RoamingPath(node === 'relay' ? CLIENT_AT : RELAY_AT);
  const session = core.addPeer({ publicKey: SECRETS.keysOf(other).publicKey, path }, () => undefined);
  const poll = (): Uint8Array => {
    const into = new Uint8Array(148);
    const { length = 0 } = core.pollMessage(START_MS, into) ?? {};
    return into.slice(0, length);
  };
  const initiation = (): Uint8Array => {
    session.requestHandshake(START_MS);
    return poll();
  };
  return { core, poll, initiation };
}

/** The relay's cookie reply to the client's message. */
function cookieReply(message: Uint8Array): Uint8Array {
  const key = SUITE.hash(new TextEncoder().encode('cookie--'), SECRETS.keysOf('relay').publicKey);
  const reply = new Uint8Array(64);
  reply.set([3, 0, 0, 0, ...message.subarray(4, 8)]);
  reply.set(SUITE.xaeadSeal(key, reply.slice(8, 32), new Uint8Array(16), message.subarray(-32, -16)), 32);
  return reply;
}

/** For each rule, runs that either break it or just obey it. */
const RUNS: Record<string, Record<string, (play: Play, isBroken: boolean) => void>> = {
  numbers: {
    'a counter twice': (play, isBroken) => {
      play.send(play.client, {}, { counter: 1 });
      play.send(play.client, {}, { counter: isBroken ? 1 : 2 });
    },
    'a packet number twice': (play, isBroken) => {
      play.send(play.client, { packetNumber: 3 });
      play.send(play.client, { packetNumber: isBroken ? 3 : 4 });
    },
  },
  'address moves': {
    'a challenge to a second address': (play, isBroken) => {
      play.proven = undefined;
      play.send(play.client, { challenge: '01' });
      play.mayGoBack = true;
      play.proven = isBroken ? undefined : RELAY_AT;
      if (isBroken) play.address = CLIENT_AT;
      play.send(play.client, isBroken ? { challenge: '01' } : {}, { to: isBroken ? CLIENT_AT : RELAY_AT });
    },
    'to another address': (play, isBroken) =>
      play.send(play.client, {}, { to: isBroken ? ELSEWHERE : RELAY_AT }),
    'a challenge to a proven address': (play, isBroken) =>
      play.send(play.client, isBroken ? { challenge: '01' } : {}),
  },
  amplification: {
    'a challenge that is smaller than it may be': (play, isBroken) => {
      const sent = play.send(play.client);
      play.isOnTrial = true;
      play.proven = ELSEWHERE;
      play.arrive(play.relay, sent, { from: RELAY_AT });
      play.send(play.relay, { challenge: '01' }, { bytes: isBroken ? 1_136 : 1_152 });
    },
    'more than three times as much': (play, isBroken) => {
      const sent = play.send(play.client);
      play.proven = undefined;
      play.arrive(play.relay, sent, { from: ELSEWHERE });
      for (let i = 0; i < (isBroken ? 4 : 3); i++) play.send(play.relay, {}, { to: ELSEWHERE });
    },
  },
  'former runs': {
    'a packet of a run that is over': (play, isBroken) => {
      const late = play.send(play.client, hello('a'));
      play.arrive(play.relay, play.send(processOf('client', 2), hello('b')));
      play.arrive(play.relay, late, { dropped: isBroken ? undefined : 'stale-epoch' });
    },
    'a packet under a keypair without a HELLO': (play, isBroken) =>
      play.arrive(play.relay, play.send(play.client, isBroken ? {} : hello())),
    'a message for the second time': (play, isBroken) => {
      const sent = play.send(play.client, hello());
      play.arrive(play.relay, sent);
      play.arrive(play.relay, sent, { isFresh: false, dropped: isBroken ? undefined : 'replayed-counter' });
    },
  },
  'started over': {
    'a stream of which nothing was sent is lost': (play, isBroken) => {
      if (!isBroken) play.send(play.client, data(0));
      const lost = { type: 'stream-reset', stream: { id: 0 }, code: StreamErrorCode.connectionLost };
      play.happen(play.client, lost);
      play.happen(play.client, RESTARTED);
    },
  },
  'handshake contents': {
    'an initiation that another program cannot open': (play, isBroken) => {
      const message = wireGuardOf(play.client).initiation();
      message[50] = (message[50] as number) ^ (isBroken ? 1 : 0);
      play.handshake(play.client, { message });
    },
    'a timestamp that is not of the clock': (play, isBroken) => {
      const message = wireGuardOf(play.client, START_UNIX_MS + (isBroken ? 1_000 : 0)).initiation();
      play.handshake(play.client, { message });
    },
    'a response with other keys than its sender has': (play, isBroken) => {
      const client = wireGuardOf(play.client);
      const relay = wireGuardOf(play.relay);
      const message = client.initiation();
      play.handshake(play.client, { message });
      relay.core.handleDatagram(START_MS, message, CLIENT_AT);
      if (isBroken) play.relay.crypto.keys.reverse();
      play.handshake(play.relay, { kind: MessageKind.response, message: relay.poll() });
    },
    'keys that stay in memory': (play, isBroken) => {
      const client = wireGuardOf(play.client);
      const relay = wireGuardOf(play.relay);
      const message = client.initiation();
      const sent = play.handshake(play.client, { message });
      relay.core.handleDatagram(START_MS, message, CLIENT_AT);
      if (isBroken) play.relay.crypto.keys[1]?.bytes.fill(1);
      play.arrive(play.relay, sent, { madeKeypair: true });
    },
    'a cookie reply that no other program can open': (play, isBroken) => {
      const message = wireGuardOf(play.client).initiation();
      play.arrive(play.relay, play.handshake(play.client, { message }));
      const reply = cookieReply(message);
      reply[40] = (reply[40] as number) ^ (isBroken ? 1 : 0);
      play.send(play.relay, {}, { kind: MessageKind.cookieReply, message: reply, packet: undefined });
    },
    'a cookie that was taken, whatever limits what is sent meanwhile, and is not used': (play, isBroken) => {
      const client = wireGuardOf(play.client);
      const message = client.initiation();
      play.handshake(play.client, { message });
      play.isSettled = false;
      const reply = cookieReply(message);
      play.arrive(play.client, undefined, { kind: MessageKind.cookieReply, message: reply.slice() });
      play.isSettled = true;
      client.core.handleDatagram(START_MS, reply, RELAY_AT);
      client.core.handleTimeout(START_MS + 450);
      const copy = client.poll();
      if (isBroken) copy.fill(0, -16);
      play.handshake(play.client, { message: copy, isCopy: true });
    },
    'a cookie reply that is taken for the second time': (play, isBroken) => {
      const message = wireGuardOf(play.client).initiation();
      play.handshake(play.client, { message });
      const reply = { kind: MessageKind.cookieReply, message: cookieReply(message) };
      play.arrive(play.client, undefined, reply);
      play.arrive(play.client, undefined, {
        ...reply,
        dropped: isBroken ? undefined : 'unexpected-handshake',
      });
    },
  },
  keypairs: {
    'another keypair is shown as the current one': (play, isBroken) => {
      const { counter } = play.send(play.client);
      const current = { slot: 'current', remoteIndex: isBroken ? 8 : 7, nextCounter: counter + 1 };
      play.view = { keypairs: [current] };
      play.turn(play.client);
    },
    'too many ciphers': (play, isBroken) => {
      play.client.crypto.liveCiphers = isBroken ? 7 : 6;
      play.turn(play.client);
    },
    'a keypair in a slot is unknown': (play, isBroken) => {
      const key = 'relay/1 key';
      play.client.crypto.keys.push({ key, at: play.now, bytes: new Uint8Array(32) });
      play.arrive(play.client, play.handshake(play.relay, { kind: MessageKind.response }), {
        madeKeypair: true,
      });
      play.wait(isBroken ? 170_000 : 190_000);
      const unknown = play.send(play.relay, {}, { key });
      play.arrive(play.client, undefined, { unknown, isFresh: false, dropped: 'unknown-index' });
    },
  },
  farewells: {
    'a message that is no farewell, again': (play, isBroken) => {
      const original = play.farewell(isBroken ? 3 : Number.MAX_SAFE_INTEGER);
      play.wait(250);
      play.sendAgain(original);
    },
    'a copy too soon': (play, isBroken) => {
      const original = play.farewell();
      for (const ms of [250, isBroken ? 499 : 500]) {
        play.wait(ms);
        play.sendAgain(original);
      }
    },
    'an eighth copy': (play, isBroken) => {
      const original = play.farewell();
      for (let n = 0; n < (isBroken ? 8 : 7); n++) {
        play.wait(250 * 2 ** n);
        play.sendAgain(original);
      }
    },
    'a copy to an address that was not proven': (play, isBroken) => {
      if (isBroken) play.proven = ELSEWHERE;
      const original = play.farewell();
      play.wait(250);
      play.sendAgain(original);
    },
    'a message that nobody sealed': (play, isBroken) => {
      if (isBroken) play.sendAgain(undefined);
      else play.send(play.relay);
    },
  },
  'handshake pace': {
    'no handshake although no answer comes': (play, isBroken) => {
      packets(play, 2);
      play.stats = { smoothedRttMs: 100 };
      play.wait(isBroken ? 1_100 : 1_000);
      play.turn(play.client);
    },
    'a copy of a farewell under an old keypair': (play, isBroken) => {
      play.relay.crypto.keys.push({ key: 'relay/1 key', at: play.now } as never);
      const made = play.handshake(play.client);
      play.arrive(play.relay, made, { madeKeypair: true });
      play.arrive(play.relay, play.send(play.client, {}, { key: 'relay/1 key' }));
      const original = play.farewell();
      play.wait(isBroken ? 180_000 : 179_999);
      play.sendAgain(original);
    },
    'no renewal of an old keypair, unless the message is a farewell': (play, isBroken) => {
      play.client.crypto.keys.push({ key: 'client/1 key', at: play.now } as never);
      const response = play.handshake(play.relay, { kind: MessageKind.response });
      play.arrive(play.client, response, { madeKeypair: true });
      play.wait(130_000);
      play.send(play.client, isBroken ? {} : { closeCode: 14 });
      play.turn(play.client);
    },
    'no renewal, although nothing has kept the initiation back': (play, isBroken) => {
      play.client.crypto.keys.push({ key: 'client/1 key', at: play.now } as never);
      const response = play.handshake(play.relay, { kind: MessageKind.response });
      play.arrive(play.client, response, { madeKeypair: true });
      play.wait(130_000);
      play.isSettled = isBroken;
      play.turn(play.client);
      // Too little has come from the new address to send anything for so long.
      play.wait(6_000);
      play.isSettled = true;
      play.send(play.client);
      play.turn(play.client);
    },
    'initiations too soon': (play, isBroken) => {
      play.handshake(play.client);
      play.wait(isBroken ? 4_999 : 5_000);
      play.handshake(play.client);
    },
    'an initiation accepted twice': (play, isBroken) => {
      const sent = play.handshake(play.client);
      play.arrive(play.relay, sent, { madeKeypair: true });
      if (isBroken) play.arrive(play.relay, sent, { madeKeypair: true });
    },
    'an initiation accepted twice, unless the peer was added again': (play, isBroken) => {
      const sent = play.handshake(play.client);
      play.arrive(play.relay, sent, { madeKeypair: true });
      if (!isBroken) play.relay.timesForgotten.set('client', 1);
      play.arrive(play.relay, sent, { madeKeypair: true });
    },
    'initiations too soon, unless the peer was added again': (play, isBroken) => {
      play.handshake(play.relay);
      if (!isBroken) play.relay.timesForgotten.set('client', 1);
      play.handshake(play.relay);
    },
  },
  keepalives: {
    'nothing at the end of a persistent interval': (play, isBroken) => {
      play.keepaliveMs = 5_000;
      play.send(play.client);
      play.wait(isBroken ? 11_000 : 10_000);
      play.keepalive(play.client);
    },
    'a keepalive beside data': (play, isBroken) => {
      play.send(play.client);
      play.wait(isBroken ? 9_000 : 10_000);
      play.keepalive(play.client);
    },
    'no keepalive': (play, isBroken) => {
      const pair = play.handshake(play.client);
      play.arrive(play.relay, pair, { madeKeypair: true });
      play.arrive(play.relay, play.send(play.client));
      play.wait(isBroken ? 11_000 : 10_000);
      play.turn(play.relay);
    },
  },
  'hello first': {
    'no HELLO before one is acknowledged': (play, isBroken) => {
      play.send(play.client, { ...hello(), packetNumber: 0 });
      if (!isBroken) play.acknowledge(0);
      play.send(play.client, data(0));
    },
    'no HELLO before one is acknowledged, which a malformed packet may do': (play, isBroken) => {
      play.send(play.client, { ...hello(), packetNumber: 0 });
      play.arrive(
        play.client,
        play.send(play.relay, {}, { packet: undefined, payloadBytes: isBroken ? 0 : 32 }),
      );
      play.send(play.client, data(0));
    },
  },
  acknowledgements: {
    'of what never arrived': (play, isBroken) => {
      for (const packetNumber of [0, 2]) play.arrive(play.relay, play.send(play.client, { packetNumber }));
      const ranges = isBroken
        ? ([[0, 2]] as const)
        : ([
            [2, 2],
            [0, 0],
          ] as const);
      play.send(play.relay, { ack: { ranges, delayMs: 0 } });
    },
    'too late': (play, isBroken) => {
      play.send(play.relay, { packetNumber: 0 });
      play.arrive(play.relay, play.handshake(play.client), { madeKeypair: true });
      play.arrive(play.relay, play.send(play.client, { packetNumber: 0 }));
      const delayMs = isBroken ? 60 : 25;
      play.wait(delayMs);
      play.send(play.relay, { ack: { ranges: [[0, 0]], delayMs }, isAckEliciting: false });
      play.turn(play.relay);
    },
    'not at all': (play, isBroken) => {
      play.send(play.relay, { packetNumber: 0 });
      play.arrive(play.relay, play.handshake(play.client), { madeKeypair: true });
      play.arrive(play.relay, play.send(play.client, { packetNumber: 0 }));
      play.turn(play.relay);
      play.wait(isBroken ? 60 : 20);
      play.turn(play.relay);
    },
    'for the second time without news': (play, isBroken) => {
      const acknowledge = () => play.send(play.relay, { ack: { ranges: [[0, 0]], delayMs: 0 } });
      play.arrive(play.relay, play.send(play.client, { packetNumber: 0 }));
      acknowledge();
      if (isBroken) acknowledge();
    },
    'alone before one is due': (play, isBroken) => {
      play.arrive(play.relay, play.send(play.client, { packetNumber: 0 }));
      const delayMs = isBroken ? 20 : 25;
      play.wait(delayMs);
      play.send(play.relay, { ack: { ranges: [[0, 0]], delayMs }, isAckEliciting: false });
    },
    'with another delay': (play, isBroken) => {
      play.arrive(play.relay, play.send(play.client, { packetNumber: 0 }));
      play.wait(25);
      const ack = { ranges: [[0, 0]] as const, delayMs: isBroken ? 26 : 25 };
      play.send(play.relay, { ack, isAckEliciting: false });
    },
    'not at once for two': (play, isBroken) => {
      play.send(play.relay, { packetNumber: 0 });
      play.arrive(play.relay, play.handshake(play.client), { madeKeypair: true });
      play.arrive(play.relay, play.send(play.client, { packetNumber: 0 }));
      if (isBroken) play.arrive(play.relay, play.send(play.client, { packetNumber: 1 }));
      play.turn(play.relay);
    },
  },
  probing: {
    'silence with packets in flight': (play, isBroken) => {
      play.arrive(play.client, play.handshake(play.relay, { kind: MessageKind.response }), {
        madeKeypair: true,
      });
      play.send(play.client, hello());
      play.wait(isBroken ? 1_700 : 1_000);
      play.turn(play.client);
    },
    'a back-off that an acknowledgement does not end': (play, isBroken) => {
      play.arrive(play.client, play.handshake(play.relay, { kind: MessageKind.response }), {
        madeKeypair: true,
      });
      packets(play, 5);
      play.wait(100);
      play.acknowledge(4);
      play.wait(isBroken ? 600 : 300);
      play.turn(play.client);
    },
    'an interval that a trial without proof has not changed': (play, isBroken) => {
      play.arrive(play.client, play.handshake(play.relay, { kind: MessageKind.response }), {
        madeKeypair: true,
      });
      packets(play, 5);
      play.isSettled = false;
      play.acknowledge(5);
      play.wait(1_000);
      play.isSettled = true;
      play.arrive(play.client, play.send(play.relay, { isAckEliciting: false }));
      quickRoundTrip(play);
      play.wait(isBroken ? 600 : 400);
      play.turn(play.client);
    },
    'an interval that follows from the round trips of another path alone': (play, isBroken) => {
      play.arrive(play.client, play.handshake(play.relay, { kind: MessageKind.response }), {
        madeKeypair: true,
      });
      packets(play, 5);
      play.proven = ELSEWHERE;
      play.acknowledge(5);
      play.wait(1_000);
      quickRoundTrip(play);
      play.wait(isBroken ? 400 : 150);
      play.turn(play.client);
    },
  },
  repeats: {
    'the last data is not repeated': (play, isBroken) => {
      beFree(play);
      play.stats = { ...play.stats, flowDatagrams: { sent: 0 }, packetsLost: 0 };
      const [current] = keypairSince(play.now - 1).keypairs as Record<string, unknown>[];
      const sending = { state: 'data-sent', sent: 100, written: 100 };
      play.view = { keypairs: [current], connection: { streams: [{ sending }] } };
      play.send(play.client, { ...hello(), pieces: [LAST] });
      play.wait(4);
      if (!isBroken) play.send(play.client, { pieces: [LAST] });
      play.wait(10);
      play.turn(play.client);
    },
    'a minute after the last loss': (play, isBroken) => {
      play.troubledAt = 0;
      play.send(play.client, data(0));
      play.wait(isBroken ? 61_000 : 59_000);
      play.send(play.client, data(0));
    },
    'a minute after the last loss, unless a probe timeout has passed': (play, isBroken) => {
      play.troubledAt = 0;
      packets(play, 1);
      play.wait(70_000);
      quickRoundTrip(play);
      play.wait(isBroken ? 40 : 5_000);
      play.send(play.client, data(7_000));
    },
    'a minute after the sender noticed the last loss': (play, isBroken) => {
      play.troubledAt = 0;
      play.send(play.client, data(0));
      play.wait(30_000);
      play.stats = { packetsLost: 1 };
      play.turn(play.client);
      play.wait(isBroken ? 61_000 : 59_000);
      play.send(play.client, data(0));
    },
    'a minute after a side dropped what it no longer has a keypair for': (play, isBroken) => {
      play.troubledAt = 0;
      const sent = play.send(play.client, data(0));
      play.wait(30_000);
      play.arrive(play.relay, undefined, { unknown: sent, dropped: 'unknown-index' });
      play.wait(isBroken ? 61_000 : 59_000);
      play.send(play.client, data(0));
    },
    'a minute after the path was new, even if it was known before': (play, isBroken) => {
      play.troubledAt = 0;
      play.proven = RELAY_AT;
      play.send(play.client, data(0));
      play.wait(61_000);
      for (const address of isBroken ? [] : [ELSEWHERE, RELAY_AT]) {
        play.proven = address;
        play.turn(play.client);
      }
      play.send(play.client, data(0));
    },
    'more bytes than the bucket gives, unless the sender noticed a loss': (play, isBroken) => {
      play.troubledAt = 0;
      play.send(play.client, data(0));
      play.stats = { packetsLost: isBroken ? 0 : 1 };
      play.turn(play.client);
      for (let n = 0; n < 5; n++) play.send(play.client, data(0));
    },
    'a minute after the path changed': (play, isBroken) => {
      play.troubledAt = 0;
      play.send(play.client, data(0));
      play.wait(30_000);
      play.proven = ELSEWHERE;
      play.send(play.client, data(1_000));
      play.wait(isBroken ? 61_000 : 59_000);
      play.send(play.client, data(1_000));
    },
    'more bytes than the bucket gives': (play, isBroken) => {
      play.troubledAt = 0;
      play.send(play.client, data(0));
      // Only what was sent counts: a repeat with little data is a small datagram.
      for (let i = 0; i < 42; i++) play.send(play.client, data(0), { bytes: isBroken ? 122 : 96 });
    },
  },
  'sent again': {
    'with the third probe timeout in a row': (play, isBroken) => {
      packets(play, 2);
      play.view = { connection: { recovery: { ptoCount: isBroken ? 3 : 2 } } };
      play.wait(3_400);
      play.send(play.client, data(1_000));
    },
    'with the third probe timeout in a row, and not the first repeat of a tail': (play, isBroken) => {
      packets(play, 2);
      play.wait(4);
      if (isBroken) play.send(play.client, data(2_000));
      play.view = { connection: { recovery: { ptoCount: 3 } } };
      // The repeat had to wait for room in the window.
      play.wait(3_400);
      play.send(play.client, data(2_000));
    },
    'before three later ones are acknowledged': (play, isBroken) => {
      packets(play, 10);
      play.wait(95);
      play.acknowledge(isBroken ? 3 : 4);
      play.send(play.client, data(1_000));
    },
    'before nine eighths of a round trip': (play, isBroken) => {
      packets(play, 2);
      play.wait(99);
      play.acknowledge(2);
      play.wait(isBroken ? 5 : 20);
      play.send(play.client, data(1_000));
    },
    'before a probe timeout': (play, isBroken) => {
      packets(play, 2);
      play.wait(isBroken ? 100 : 330);
      play.send(play.client, data(1_000));
    },
    'before a probe timeout, which an old acknowledgement does not put off': (play, isBroken) => {
      packets(play, 5);
      play.wait(95);
      play.acknowledge(1, 5);
      play.wait(5);
      play.acknowledge(1, 2, 3, 4, 5);
      for (let n = 6; n <= 70; n++) {
        play.wait(3);
        play.send(play.client, { ...data(1_000 * n), packetNumber: n });
      }
      play.acknowledge(1, 2, 3, 4, 5);
      play.wait(isBroken ? 3 : 150);
      play.send(play.client, { ...data(6_000), packetNumber: 71 });
    },
    'a tail before 4 ms': (play, isBroken) => {
      packets(play, 2);
      play.wait(isBroken ? 3 : 4);
      play.send(play.client, data(2_000));
    },
  },
  'congestion window': {
    'more in flight than the window': (play, isBroken) => {
      play.stats = { bytesInFlight: isBroken ? 60_000 : 50_000, congestionWindowBytes: 50_000 };
      play.turn(play.client);
    },
    'a window of less than two datagrams': (play, isBroken) => {
      play.stats = { bytesInFlight: 0, congestionWindowBytes: isBroken ? 1_000 : 3_000 };
      play.turn(play.client);
    },
  },
  pacing: {
    'a burst': (play, isBroken) => {
      play.transport = { congestion: 'cubic' };
      play.stats = { congestionWindowBytes: 100_000, smoothedRttMs: 100 };
      play.turn(play.client);
      for (let i = 0; i < (isBroken ? 35 : 10); i++) play.send(play.client);
      play.turn(play.client);
    },
  },
  credit: {
    'a limit is lowered': (play, isBroken) => {
      play.send(play.client, { maxData: 1_000 });
      play.send(play.client, { maxData: isBroken ? 999 : 1_000 });
    },
    'a limit that HELLO stated': (play, isBroken) => {
      const { hello: stated } = hello('c') as { hello: Record<string, unknown> };
      play.send(play.client, { hello: { ...stated, maxData: 500, maxStreams: 128 } } as Partial<PacketView>);
      play.send(play.client, { maxData: 501, maxStreams: isBroken ? 128 : 129 });
    },
    'more than the window of the connection': (play, isBroken) => {
      play.transport = { connectionWindowBytes: 5_000 };
      play.arrive(play.client, play.send(play.relay, data(0)));
      play.send(play.client, { maxData: isBroken ? 6_001 : 6_000 });
    },
    'more streams than there is room for': (play, isBroken) => {
      play.transport = { maxOpenStreams: 10 };
      play.arrive(play.client, play.send(play.relay, { resets: [{ streamId: 5, value: 0 }] }));
      play.send(play.client, { maxStreams: isBroken ? 14 : 13 });
    },
    'more than the largest window': (play, isBroken) => {
      play.transport = { maxStreamWindowBytes: 1_000 };
      play.readBytes = 500;
      play.send(play.client, { streamLimits: [{ streamId: 0, value: isBroken ? 1_501 : 1_500 }] });
    },
  },
  answers: {
    'an answer to no challenge, or a second one': (play, isBroken) => {
      play.arrive(play.relay, play.send(play.client, { challenge: '01' }));
      play.send(play.relay, { responses: ['01'] });
      if (isBroken) play.send(play.relay, { responses: ['01'] });
    },
    'no response': (play, isBroken) => {
      play.arrive(play.relay, play.handshake(play.client), { madeKeypair: true });
      if (!isBroken) play.handshake(play.relay, { kind: MessageKind.response });
      play.turn(play.relay);
    },
    'no response, and none of the other side': (play, isBroken) => {
      play.arrive(play.client, play.handshake(play.relay), { madeKeypair: true });
      const kind = MessageKind.response;
      if (!isBroken) play.arrive(play.client, play.handshake(play.relay, { kind }), { madeKeypair: true });
      play.turn(play.client);
    },
  },
  flights: {
    'more in flight than was sent and is not acknowledged': (play, isBroken) => {
      packets(play, 6);
      play.acknowledge(4, 5, 6);
      // Packet 1 is lost, because a packet three above it is acknowledged; 2 and 3 may be.
      play.stats = { datagramsReceived: 1, packetsLost: 3, bytesInFlight: isBroken ? 3 * DATAGRAM_BYTES : 0 };
      play.turn(play.client);
    },
    'less in flight than must be waited for': (play, isBroken) => {
      play.stats = { packetsLost: 0 };
      packets(play, 4);
      play.stats = {
        datagramsReceived: 1,
        packetsLost: 0,
        smoothedRttMs: 100,
        bytesInFlight: (isBroken ? 3 : 4) * DATAGRAM_BYTES,
      };
      play.turn(play.client);
    },
    'another round trip': (play, isBroken) => {
      play.stats = { packetsLost: 0 };
      packets(play, 1);
      const smoothedRttMs = isBroken ? 101 : 100;
      play.stats = { datagramsReceived: 1, packetsLost: 0, smoothedRttMs, bytesInFlight: DATAGRAM_BYTES };
      play.turn(play.client);
    },
  },
  'silence reports': {
    'not at all, while there is no key': (play, isBroken) => {
      play.happen(play.client, { type: 'connected' });
      play.stats = { smoothedRttMs: 100, unacknowledgedBytes: isBroken ? 100 : 0 };
      play.view = { keypairs: [] };
      play.handshake(play.client);
      play.wait(3_100);
      play.turn(play.client);
    },
    'too soon': (play, isBroken) => {
      const since = play.now;
      play.wait(isBroken ? 2_400 : 2_500);
      play.happen(play.client, { type: 'waiting', since });
    },
    'twice for one silence': (play, isBroken) => {
      const since = play.now;
      play.wait(3_000);
      play.happen(play.client, { type: 'waiting', since });
      if (!isBroken) play.happen(play.client, { type: 'resumed', silentMs: 3_000 });
      play.happen(play.client, { type: 'waiting', since });
    },
    'an answer that nobody waited for': (play, isBroken) => {
      if (!isBroken) play.happen(play.client, { type: 'waiting', since: play.now - 3_000 });
      play.happen(play.client, { type: 'resumed', silentMs: 3_000 });
    },
    'not at all': (play, isBroken) => {
      play.happen(play.client, { type: 'connected' });
      play.stats = { smoothedRttMs: 100 };
      play.send(play.client);
      play.wait(isBroken ? 3_100 : 3_000);
      play.turn(play.client);
    },
  },
  statistics: {
    'a datagram that is not counted': (play, isBroken) => {
      play.send(play.client);
      play.arrive(play.client, play.send(play.relay));
      const bytes = { bytesSent: DATAGRAM_BYTES, bytesReceived: DATAGRAM_BYTES };
      play.stats = { ...TOTALS, ...bytes, datagramsSent: 1, datagramsReceived: isBroken ? 2 : 1 };
      play.turn(play.client);
    },
    'a datagram for a former peer': (play, isBroken) => {
      play.send(play.client, {}, isBroken ? {} : { towards: undefined });
      play.arrive(play.client, play.send(play.relay));
      const bytesSent = isBroken ? DATAGRAM_BYTES : 0;
      play.stats = { ...TOTALS, bytesSent, datagramsReceived: 1, bytesReceived: DATAGRAM_BYTES };
      play.turn(play.client);
    },
    'a total that falls': (play, isBroken) => {
      play.arrive(play.client, play.send(play.relay));
      const stats = { ...TOTALS, datagramsReceived: 1, bytesReceived: DATAGRAM_BYTES };
      for (const packetsLost of [5, isBroken ? 4 : 5]) {
        play.stats = { ...stats, packetsLost };
        play.turn(play.client);
      }
    },
    'another address': (play, isBroken) => {
      play.arrive(play.client, play.send(play.relay));
      const address = isBroken ? ELSEWHERE : RELAY_AT;
      play.stats = { ...TOTALS, datagramsReceived: 1, bytesReceived: DATAGRAM_BYTES, address };
      play.turn(play.client);
    },
  },
  places: {
    'a stream that was allowed cannot be opened': (play, isBroken) => {
      play.arrive(play.client, play.send(play.relay, { maxStreams: 200 }));
      play.arrive(play.client, play.send(play.relay, { maxStreams: 150 }));
      play.refuse(play.client, isBroken ? 199 : 200);
    },
  },
  'datagram sizes': {
    'the size falls before the second probe timeout': (play, isBroken) => {
      play.transport = { datagramBytes: DATAGRAM_BYTES };
      packets(play, 1);
      play.stats = { datagramBytes: 1_392 };
      play.turn(play.client);
      play.turn(play.client);
      play.acknowledge(1);
      // A sign of life since then ends the back-off, and the second timeout is as long as the first.
      play.wait(400);
      play.stats = { datagramBytes: 1_152, heardAt: isBroken ? 0 : play.now - 350 };
      play.turn(play.client);
    },
    'the size falls after two losses': (play, isBroken) => {
      play.transport = { datagramBytes: DATAGRAM_BYTES };
      packets(play, 3);
      play.stats = { datagramBytes: 1_392, packetsLost: 0 };
      play.turn(play.client);
      play.acknowledge(3);
      play.stats = { datagramBytes: 1_152, packetsLost: isBroken ? 2 : 3 };
      play.turn(play.client);
    },
    'larger than what was acknowledged': (play, isBroken) => {
      play.transport = { datagramBytes: 1_200 };
      play.send(play.client, { packetNumber: 0, isOnlyPing: true }, { bytes: 1_440, payloadBytes: 1_408 });
      if (!isBroken) play.acknowledge(0);
      play.send(play.client, data(0), { bytes: 1_440, payloadBytes: 1_408 });
    },
    'larger, and not a probe that was corrupted on purpose': (play, isBroken) => {
      play.transport = { datagramBytes: 1_200 };
      const size = { bytes: 1_440, payloadBytes: 1_408 };
      if (isBroken) play.send(play.client, data(0), size);
      else play.send(play.client, {}, { ...size, packet: undefined });
    },
    'a size that is probed for ever': (play, isBroken) => {
      play.transport = { datagramBytes: 1_200 };
      for (let i = 0; i < (isBroken ? 50 : 12); i++) {
        play.send(play.client, { isOnlyPing: true }, { bytes: 1_440, payloadBytes: 1_408 });
      }
    },
    'larger than the system allows': (play, isBroken) => {
      play.transport = { datagramBytes: 1_440 };
      play.wait(1_000);
      play.send(play.client, data(0), { bytes: 1_408, payloadBytes: 1_376 });
      play.wait(1);
      const bytes = isBroken ? 1_408 : 1_392;
      play.send(play.client, data(0), { bytes, payloadBytes: bytes - 32 });
      play.send(play.client, { isOnlyPing: true }, { bytes: 1_408, payloadBytes: 1_376 });
    },
    'as large as the smallest size that was refused, not only as the first': (play, isBroken) => {
      play.transport = { datagramBytes: 1_440 };
      play.wait(1_000);
      play.send(play.client, { isOnlyPing: true }, { bytes: 1_440, payloadBytes: 1_408 });
      play.wait(1);
      // A smaller size may be refused too, and all of a batch at once.
      for (let i = 0; i < 2; i++) play.send(play.client, data(0), { bytes: 1_408, payloadBytes: 1_376 });
      play.wait(1);
      if (isBroken) play.send(play.client, data(0), { bytes: 1_408, payloadBytes: 1_376 });
    },
    'not a multiple of 16': (play, isBroken) => {
      const payloadBytes = isBroken ? 100 : 96;
      play.send(play.client, {}, { payloadBytes, bytes: payloadBytes + 32 });
    },
  },
  'message forms': {
    'a handshake message of another length': (play, isBroken) =>
      void play.handshake(play.client, { kind: MessageKind.response, bytes: isBroken ? 108 : 92 }),
    'a counter that is left out': (play, isBroken) => {
      play.send(play.client, {}, { counter: 0 });
      play.send(play.client, {}, { counter: isBroken ? 2 : 1 });
    },
  },
  'malformed packets': {
    'a packet that has no consequence': (play, isBroken) => {
      play.arrive(play.relay, play.send(play.client, {}, { packet: undefined }));
      const error = { by: 'local', code: 0x0a };
      if (!isBroken) play.happen(play.relay, { type: 'disconnected', error });
      play.wait(1_000);
      play.turn(play.relay);
    },
    'another code': (play, isBroken) => {
      play.arrive(play.relay, play.send(play.client, {}, { packet: undefined }));
      const error = { by: 'local', code: isBroken ? 0x07 : 0x0a };
      play.happen(play.relay, { type: 'disconnected', error });
    },
  },
  drops: {
    'a new packet that is dropped as a duplicate': (play, isBroken) => {
      play.arrive(play.relay, play.send(play.client, { packetNumber: 0 }));
      play.arrive(play.relay, play.send(play.client, { packetNumber: isBroken ? 1 : 0 }), {
        dropped: 'duplicate-packet',
      });
    },
    'below what is remembered': (play, isBroken) => {
      const late = play.send(play.client, { packetNumber: 0 });
      play.arrive(play.relay, play.send(play.client, { packetNumber: 1 }));
      const ack = { ranges: [[1, 1]] as const, delayMs: 0 };
      play.send(play.relay, { packetNumber: 7, ack });
      const known = { ranges: [[7, 7]] as const, delayMs: 0 };
      if (!isBroken) play.arrive(play.relay, play.send(play.client, { packetNumber: 2, ack: known }));
      play.arrive(play.relay, late, { dropped: 'duplicate-packet' });
    },
    'an earlier run where nobody has restarted': (play, isBroken) =>
      play.arrive(play.relay, play.send(play.client), { dropped: isBroken ? 'stale-epoch' : undefined }),
    'an initiation that is no flood': (play, isBroken) => {
      const made = { madeKeypair: true, isFresh: false };
      play.arrive(play.relay, play.handshake(play.client), made);
      play.wait(isBroken ? 21 : 20);
      const known = play.handshake(play.client);
      play.arrive(play.relay, known, { ...made, madeKeypair: false, dropped: 'handshake-flood' });
    },
    'a cookie that is asked for without load': (play, isBroken) => {
      const known = play.handshake(play.client);
      const dropped = { isFresh: false, dropped: 'cookie-required' as const };
      if (!isBroken)
        for (let i = 0; i < 128; i++) play.arrive(play.relay, known, { isFresh: false, dropped: undefined });
      play.arrive(play.relay, known, dropped);
    },
  },
  congestion: {
    'a cut without a loss': (play, isBroken) => {
      cutWindow(play, 'newreno', 0.5, isBroken ? 0 : 1);
    },
    'a cut to less than is kept': (play, isBroken) => {
      cutWindow(play, 'cubic', isBroken ? 0.5 : 0.7, 1);
    },
    'a loss without a cut': (play, isBroken) => {
      cutWindow(play, 'newreno', isBroken ? 1 : 0.5, 1);
    },
    'a cut for a probe': (play, isBroken) => {
      cutWindow(play, 'newreno', isBroken ? 0.5 : 1, 1, { isOnlyPing: true });
    },
    'a cut long after the loss must have shown': (play, isBroken) => {
      play.transport = { congestion: 'cubic' };
      setWindow(play, 20_000, 0);
      for (const packetNumber of [0, 1]) play.send(play.client, { packetNumber });
      // The process sleeps, so the round trip becomes as long, and the time threshold with it.
      play.wait(15_000);
      play.acknowledge(1);
      setWindow(play, 20_000, 0);
      const last = isBroken ? 40 : 2;
      for (let packetNumber = 2; packetNumber <= last; packetNumber++) {
        play.send(play.client, { packetNumber });
        play.wait(10);
        play.acknowledge(packetNumber);
        setWindow(play, packetNumber === last ? 14_000 : 20_000, packetNumber === last ? 1 : 0);
      }
    },
    'a cut that is undone although nothing was late': (play, isBroken) => {
      play.transport = { congestion: 'cubic' };
      setWindow(play, 20_000, 0);
      for (const packetNumber of [0, 1]) play.send(play.client, { packetNumber });
      play.wait(100);
      play.acknowledge(1);
      setWindow(play, 14_000, 1);
      play.send(play.client, { packetNumber: 2 });
      // The peer sleeps, and the sender handles other ACKs before the one that was under way all the time.
      play.wait(15_000);
      play.acknowledge(2);
      setWindow(play, 14_000, 0);
      for (const packetNumber of [3, 4]) {
        play.send(play.client, { packetNumber });
        play.wait(100);
        play.acknowledge(...(packetNumber === 3 || isBroken ? [packetNumber] : [0, packetNumber]));
        setWindow(play, packetNumber === 3 ? 14_000 : 20_000, 0);
      }
    },
    'faster than in slow start': (play, isBroken) => {
      play.transport = { congestion: 'newreno' };
      for (let i = 0; i < 2; i++) setWindow(play, 12_000, 0);
      play.send(play.client, { packetNumber: 0 });
      play.wait(50);
      play.acknowledge(0);
      // A datagram more is a step that was almost due.
      setWindow(play, 12_000 + DATAGRAM_BYTES + 1_152 + (isBroken ? 10 : 0), 0);
    },
    'more losses without a cut than it can know of': (play, isBroken) => {
      cutWindow(play, 'newreno', 1, isBroken ? 1 : 9);
    },
    'faster than after an ACK at an unclear moment': (play, isBroken) => {
      play.transport = { congestion: 'cubic' };
      setWindow(play, 12_000, 0);
      for (let packetNumber = 0; packetNumber < 5; packetNumber++) play.send(play.client, { packetNumber });
      play.wait(50);
      play.acknowledge(...(isBroken ? [4] : [0, 1, 2, 3, 4]));
      // After so long, the model starts over with this window.
      play.wait(6_000);
      setWindow(play, 12_000, 0);
      setWindow(play, 12_000 + DATAGRAM_BYTES + 3_000, 0);
    },
    'faster than anything was acknowledged': (play, isBroken) => {
      play.transport = { congestion: 'bbr' };
      play.send(play.client, { packetNumber: 0 });
      play.wait(100);
      play.acknowledge(0);
      const pacingRate = isBroken ? 1_000 : 500;
      play.view = { connection: { congestion: { pacingRate } } };
      play.stats = {};
      for (let i = 0; i < 16; i++) play.turn(play.client);
    },
  },
  'limits told': {
    'blocked twice at one limit': (play, isBroken) => {
      const atOnce = { dataBlocked: 1024 * 1024 };
      play.send(play.client, atOnce);
      const maxData = 2 * 1024 * 1024;
      if (!isBroken) play.arrive(play.client, play.send(play.relay, { maxData }));
      play.send(play.client, isBroken ? atOnce : { dataBlocked: maxData });
    },
    'a stream that is blocked at another limit': (play, isBroken) => {
      play.arrive(play.client, play.send(play.relay, { streamLimits: [{ streamId: 0, value: 20_000 }] }));
      play.send(play.client, { streamsBlocked: [{ streamId: 0, value: isBroken ? 16_384 : 20_000 }] });
    },
    'credit for a stream whose end is known': (play, isBroken) => {
      beFree(play);
      const last = { streamId: 0, offset: 0, length: 100, fin: isBroken };
      play.arrive(play.relay, play.send(play.client, { pieces: [last] }));
      play.wait(2_100);
      play.send(play.relay, { streamLimits: [{ streamId: 0, value: 30_000 }] });
    },
    'credit that a full window did not keep back until now': (play, isBroken) => {
      beFree(play);
      play.arrive(play.relay, play.send(play.client, { pieces: [LAST] }));
      // It was due before the end, and the peer acknowledges nothing.
      if (!isBroken) play.stats = { ...play.stats, bytesInFlight: 12_000 };
      play.turn(play.relay);
      play.wait(9_000);
      play.send(play.relay, { streamLimits: [{ streamId: 0, value: 30_000 }] });
    },
    'credit long after the window had room again': (play, isBroken) => {
      beFree(play);
      const { stats } = play;
      play.arrive(play.relay, play.send(play.client, { pieces: [LAST] }));
      play.stats = { ...stats, bytesInFlight: 12_000 };
      play.turn(play.relay);
      play.wait(9_000);
      play.stats = stats;
      play.turn(play.relay);
      play.wait(isBroken ? 2_100 : 100);
      play.send(play.relay, { streamLimits: [{ streamId: 0, value: 30_000 }] });
    },
    'credit under a keypair that was there before the end': (play, isBroken) => {
      beFree(play);
      play.arrive(play.relay, play.send(play.client, { pieces: [LAST] }));
      play.wait(2_100);
      if (!isBroken) play.view = keypairSince(play.now);
      play.send(play.relay, { streamLimits: [{ streamId: 0, value: 30_000 }] });
    },
    'credit for a stream that has ended in this connection': (play, isBroken) => {
      beFree(play);
      play.arrive(play.relay, play.send(play.client, { ...hello(), pieces: [LAST] }));
      if (!isBroken) {
        // The packet that revealed the restart was dropped.
        play.arrive(play.relay, play.send(play.client, hello('b')), { dropped: 'stale-epoch' });
        play.happen(play.relay, RESTARTED);
      }
      play.wait(2_100);
      play.send(play.relay, { streamLimits: [{ streamId: 0, value: 30_000 }] });
    },
    'credit for a stream whose reader has stopped': (play, isBroken) => {
      if (isBroken) play.send(play.relay, { stops: [{ streamId: 0, value: 0 }] });
      play.send(play.relay, { streamLimits: [{ streamId: 0, value: 30_000 }] });
    },
    'credit in crumbs': (play, isBroken) => {
      const value = 16_384 + (isBroken ? 1_000 : 1_024);
      play.send(play.relay, { streamLimits: [{ streamId: 0, value }] });
    },
    'too little credit for the connection': (play, isBroken) =>
      void play.send(play.relay, { maxData: 1024 * 1024 + (isBroken ? 200 : 300) * 1024 }),
  },
  'packet statistics': {
    'a packet that is not counted': (play, isBroken) => judgePackets(play, { packetsSent: isBroken ? 0 : 1 }),
    'bytes that are not counted': (play, isBroken) =>
      judgePackets(play, { streamBytesSent: isBroken ? 0 : 100 }),
    'a stream that is not counted': (play, isBroken) => {
      play.liveStreams = 1;
      judgePackets(play, { openStreams: isBroken ? 0 : 1 });
    },
    'a handshake that is not counted': (play, isBroken) => {
      const made = { kind: MessageKind.response, madeKeypair: true, isFresh: false };
      play.arrive(play.client, play.handshake(play.relay, { kind: MessageKind.response }), made);
      judgePackets(play, { handshakes: isBroken ? 0 : 1 });
    },
    'a message that is not counted': (play, isBroken) => {
      play.send(play.client, { isAckEliciting: false, messages: [{ streamId: 0, value: 10 }] });
      judgePackets(play, { flowDatagrams: { sent: isBroken ? 0 : 1 } });
    },
  },
  commands: {
    'a reset that is not sent': (play, isBroken) => {
      beFree(play);
      play.command(play.client, 'reset');
      if (!isBroken) play.send(play.client, { resets: [{ streamId: 0, value: 0 }] });
      for (const ms of [0, 2_100]) {
        play.wait(ms);
        play.turn(play.client);
      }
    },
    'a FIN that is not sent': (play, isBroken) => {
      beFree(play);
      play.command(play.client, 'finish');
      // The window keeps it back.
      if (!isBroken) play.stats = { ...play.stats, bytesInFlight: 12_000 };
      for (const ms of [0, 2_100]) {
        play.wait(ms);
        play.turn(play.client);
      }
    },
    'a stop that is not sent': (play, isBroken) => {
      beFree(play);
      // A direction that has ended needs no STOP_SENDING.
      const piece = { streamId: 0, offset: 0, length: 100, fin: !isBroken };
      play.arrive(play.client, play.send(play.relay, { pieces: [piece] }));
      play.command(play.client, 'stop');
      for (const ms of [0, 2_100]) {
        play.wait(ms);
        play.turn(play.client);
      }
    },
    'a stop for which the packet that revealed a restart left no need': (play, isBroken) => {
      beFree(play);
      play.arrive(play.client, play.send(play.relay, hello('r')));
      const last = { ...LAST, fin: !isBroken };
      play.arrive(play.client, play.send(play.relay, { ...hello('s'), pieces: [last] }));
      play.happen(play.client, RESTARTED);
      play.command(play.client, 'stop');
      for (const ms of [0, 2_100]) {
        play.wait(ms);
        play.turn(play.client);
      }
    },
    'STOP_SENDING without an answer': (play, isBroken) => {
      beFree(play);
      play.arrive(play.client, play.send(play.relay, { stops: [{ streamId: 0, value: 1 }] }));
      if (!isBroken) play.send(play.client, { resets: [{ streamId: 0, value: 0 }] });
      for (const ms of [0, 2_100]) {
        play.wait(ms);
        play.turn(play.client);
      }
    },
  },
  'handshake copies': {
    'the moment of one copy at which the other is sent': (play, isBroken) => {
      const kind = MessageKind.response;
      play.handshake(play.relay, { kind });
      play.wait(300);
      play.handshake(play.relay, { kind, isCopy: true });
      const reason = isBroken ? 'initiation-copy' : 'response-copy';
      play.turn(play.relay, { due: { at: play.now, reason } });
    },
    'the moment of one copy at which the other is sent, although nothing limits what is sent': (
      play,
      isBroken,
    ) => {
      play.isSettled = isBroken;
      play.handshake(play.client, { kind: MessageKind.response, isCopy: true });
      play.turn(play.client, { due: { at: play.now, reason: 'initiation-copy' } });
    },
    'the moment of a copy at which the next initiation is sent instead': (play, isBroken) => {
      play.handshake(play.client, { kind: MessageKind.response, isCopy: true });
      if (!isBroken) play.handshake(play.client);
      play.turn(play.client, { due: { at: play.now, reason: 'initiation-copy' } });
    },
    'an initiation that is not repeated': (play, isBroken) => {
      play.handshake(play.client);
      play.wait(390);
      if (!isBroken) play.handshake(play.client, { isCopy: true });
      play.wait(100);
      play.turn(play.client);
    },
    'a response that is repeated once': (play, isBroken) => {
      const kind = MessageKind.response;
      play.handshake(play.relay, { kind });
      for (const ms of [300, 700]) {
        play.wait(ms);
        if (ms === 300 || !isBroken) play.handshake(play.relay, { kind, isCopy: true });
      }
      play.wait(50);
      play.turn(play.relay);
    },
  },
  deadlines: {
    'a moment after that of a timer': (play, isBroken) => {
      const nextDue = { at: START_MS + (isBroken ? 51 : 50), reason: 'planted' };
      for (let i = 0; i < 16; i++) play.turn(play.client, { nextDue });
    },
  },
  'wake-ups': {
    'something to send before the deadline': (play, isBroken) =>
      play.turn(play.client, {
        isUnasked: true,
        due: { at: play.now + 5, reason: 'planted' },
        nextDue: { at: play.now + 5, reason: 'planted' },
        datagramsSent: isBroken ? 1 : 0,
      }),
    'a deadline that stays in the past': (play, isBroken) =>
      play.turn(play.client, {
        due: { at: play.now, reason: 'planted' },
        nextDue: isBroken ? { at: play.now, reason: 'planted' } : undefined,
      }),
  },
};

/** The client states this window. */
function setWindow(play: Play, congestionWindowBytes: number, packetsLost: number): void {
  play.stats = { congestionWindowBytes, packetsLost, datagramsReceived: 1, datagramBytes: 1_152 };
  play.turn(play.client);
}

/** Packet 0 is overtaken by packet 1, and the window of the client is then this share of what it was. */
function cutWindow(
  play: Play,
  controller: 'newreno' | 'cubic',
  share: number,
  packetsLost: number,
  first: Partial<PacketView> = {},
): void {
  play.transport = { congestion: controller };
  setWindow(play, 20_000, 0);
  play.wait(1);
  const bytes = first.isOnlyPing === true ? 1_440 : DATAGRAM_BYTES;
  for (const packetNumber of [0, 1])
    play.send(play.client, { packetNumber, ...(packetNumber === 0 && first) }, { bytes });
  play.wait(50);
  setWindow(play, 20_000, 0);
  play.acknowledge(1);
  setWindow(play, 20_000 * share, packetsLost);
}

/** The client has sent one packet with 100 bytes of a stream, and states its statistics. */
function judgePackets(play: Play, wrong: Record<string, unknown>): void {
  play.send(play.client, data(0, 100));
  play.arrive(play.client, play.send(play.relay));
  play.stats = {
    datagramsReceived: 1,
    handshakes: 0,
    heardAt: play.now,
    packetsSent: 1,
    streamBytesSent: 100,
    streamBytesReceived: 0,
    openStreams: 0,
    flowDatagrams: { sent: 0 },
    ...wrong,
  };
  play.turn(play.client);
}

/** Nothing keeps the client from sending. */
function beFree(play: Play): void {
  play.stats = {
    bytesInFlight: 0,
    congestionWindowBytes: 12_000,
    datagramBytes: 1_152,
    unacknowledgedBytes: 0,
    heardAt: play.now,
  };
  play.view = keypairSince(play.now);
}

function keypairSince(createdAt: number): Record<string, unknown> {
  return { keypairs: [{ slot: 'current', createdAt, expiresAt: createdAt + 100_000 }] };
}

test('every rule has a run that breaks it', () => {
  expect(new Set(Object.keys(RUNS))).toEqual(new Set(RULES.map(({ name }) => name)));
});

describe.each(Object.keys(RUNS))('the rule of %s', (name) => {
  test.each(Object.keys(RUNS[name] ?? {}))('reports a run that breaks it: %s', (title) => {
    const play = new Play(name);
    RUNS[name]?.[title]?.(play, true);
    expect(play.violations).toHaveLength(1);
  });

  test.each(Object.keys(RUNS[name] ?? {}))('does not report a run that just obeys it: %s', (title) => {
    const play = new Play(name);
    RUNS[name]?.[title]?.(play, false);
    expect(play.violations).toEqual([]);
  });
});
