/** What is left of a peer that is removed, or of a WireGuard that is closed, at any moment of a session: nothing. */
import { describe, expect, it } from 'vitest';
import { SessionPair } from './session-pair.js';

const DATA = Uint8Array.of(1, 2, 3);

/** Each brings B to a moment at which its session has something to send or to wait for. */
const MOMENTS: [what: string, prepare: (pair: SessionPair) => void][] = [
  [
    'an initiation is due',
    (pair) => {
      pair.b.path.address = pair.a.address;
      pair.b.peer.requestHandshake(pair.now);
    },
  ],
  [
    'an initiation waits for its response',
    (pair) => {
      pair.deliver = () => false;
      pair.b.path.address = pair.a.address;
      pair.b.peer.requestHandshake(pair.now);
      pair.exchange();
    },
  ],
  [
    'a response is due',
    (pair) => {
      pair.deliver = () => false;
      pair.connect();
      pair.receive(pair.b, pair.sent[0]?.bytes as Uint8Array, pair.a.address);
    },
  ],
  [
    'a response waits to be confirmed',
    (pair) => {
      pair.deliver = ({ name }) => name !== 'response';
      pair.connect();
    },
  ],
  [
    'a keepalive is scheduled',
    (pair) => {
      pair.connect();
      pair.send(pair.a, DATA);
    },
  ],
  [
    'a keepalive is due',
    (pair) => {
      pair.connect();
      pair.send(pair.a, DATA);
      pair.now = 10_000;
      pair.b.core.handleTimeout(pair.now);
    },
  ],
  [
    'an answer is awaited',
    (pair) => {
      pair.connect();
      pair.send(pair.a, DATA);
      pair.deliver = () => false;
      pair.send(pair.b, DATA);
    },
  ],
];

/** What B still wants to do. */
function left(pair: SessionPair) {
  const { core } = pair.b;
  const into = new Uint8Array(148);
  const woken = core.handleTimeout(1e9); // A look at the next time would put this right.
  return {
    woken,
    handshake: core.pollHandshake(pair.now, into),
    keepalive: core.pollKeepalive(pair.now, into),
    timeout: core.pollTimeout(),
  };
}

const NOTHING = { handshake: undefined, keepalive: undefined, timeout: undefined, woken: [] };

describe.each(MOMENTS)('while %s', (_what, prepare) => {
  function prepared(): SessionPair {
    const pair = new SessionPair();
    prepare(pair);
    return pair;
  }

  it('B has something to do', () => {
    expect(left(prepared())).not.toEqual(NOTHING);
  });

  it('a peer that is removed leaves nothing to send, and no time to wait for', () => {
    const pair = prepared();
    pair.b.core.removePeer(pair.b.peer);
    expect(left(pair)).toEqual(NOTHING);
    expect(pair.b.peer.view).toEqual({ keypairs: [], timers: [] });
  });

  it('a peer that was removed starts nothing any more, and can be added again', () => {
    const pair = prepared();
    const { core, peer, path } = pair.b;
    core.removePeer(peer);
    core.removePeer(peer);
    peer.requestHandshake(pair.now);
    peer.repeatInitiation();
    peer.releaseInitiation();
    expect(left(pair)).toEqual(NOTHING);
    expect(() => core.addPeer({ publicKey: peer.publicKey, path }, () => undefined)).not.toThrow();
  });

  it('a WireGuard that is closed has nothing to send, and no time to wait for', () => {
    const pair = prepared();
    pair.b.core.close();
    expect(left(pair)).toEqual(NOTHING);
  });

  it('none of the indices that the peer was given is known after its removal', () => {
    const pair = prepared();
    pair.b.core.removePeer(pair.b.peer);
    for (const { from, name, bytes } of pair.sent) {
      if (from !== 'b' || name === 'transport') continue;
      // What A sends to this index: any response, and any transport message.
      for (const [type, length] of [
        [2, 92],
        [4, 32],
      ] as const) {
        const message = new Uint8Array(length);
        message[0] = type;
        message.set(bytes.subarray(4, 8), type === 2 ? 8 : 4);
        expect(pair.receive(pair.b, message, pair.a.address)).toMatchObject({ reason: 'unknown-index' });
      }
    }
  });
});
