/** Checks of step 5: a published test vector, and what an attacker would try. */
import nacl from 'tweetnacl';
import { type Check, expectThat, sameBytes, sampleBytes } from '../check.ts';
import type { startInitiator, startResponder } from './noise.ts';
import vector from './vector.json' with { type: 'json' };

interface Step {
  readonly startInitiator: typeof startInitiator;
  readonly startResponder: typeof startResponder;
}

const PARTS_OF_MESSAGE_1 = [
  { end: 32, name: 'the ephemeral public key' },
  { end: 80, name: 'the sealed static key: its key comes from es, its associated data is the hash after e' },
  {
    end: Number.POSITIVE_INFINITY,
    name: 'the sealed payload: its key comes from ss, mixed in after s was sealed',
  },
];
const PARTS_OF_MESSAGE_2 = [
  { end: 32, name: 'the ephemeral public key' },
  { end: Number.POSITIVE_INFINITY, name: 'the sealed payload: first ee is mixed in, then se' },
];

export const checks: readonly Check<Step>[] = [
  {
    title: 'says the same as the published test vector, byte for byte',
    run: (step) => {
      const { initiator, responder } = vectorPair(step);
      const message1 = initiator.writeMessage1(hex(vector.payload1));
      compare('message 1', message1, hex(vector.message1), PARTS_OF_MESSAGE_1);
      const heard = responder.readMessage1(message1);
      expectThat(heard !== undefined, 'the responder could not read message 1');
      expectThat(
        sameBytes(heard.payload, hex(vector.payload1)),
        'the responder read another payload than was written',
      );
      const answer = responder.writeMessage2(hex(vector.payload2));
      compare('message 2', answer.message, hex(vector.message2), PARTS_OF_MESSAGE_2);
      const end = initiator.readMessage2(answer.message);
      expectThat(end !== undefined, 'the initiator could not read message 2');
      expectThat(
        sameBytes(end.keys.handshakeHash, hex(vector.handshakeHash)),
        'the handshake hash differs from the vector, though all messages agree: the last sealed payload is hashed too',
      );
    },
  },
  {
    title: 'ends with the same keys on both sides, one for each direction',
    run: (step) => {
      const { client, relay } = handshake(step);
      expectThat(
        sameBytes(client.send, relay.receive) && sameBytes(client.receive, relay.send),
        "what one side sends with is not what the other receives with: the first key is for the initiator's messages",
      );
      expectThat(
        !sameBytes(client.send, client.receive),
        'both directions have one key: then both would use the same nonces',
      );
    },
  },
  {
    title: 'makes other keys in every handshake',
    run: (step) => {
      const [first, second] = [handshake(step), handshake(step)];
      expectThat(
        !sameBytes(first.client.send, second.client.send),
        'two handshakes of the same two sides gave the same keys: the ephemeral keys must be new each time, and ee must be mixed in',
      );
    },
  },
  {
    title: 'tells the responder who is asking',
    run: (step) => {
      const { initiator, responder } = freshPair(step);
      const heard = responder.readMessage1(initiator.writeMessage1(new Uint8Array(0)));
      expectThat(
        heard !== undefined && sameBytes(heard.remoteStatic, publicKey(CLIENT)),
        "the responder did not learn the initiator's static public key",
      );
    },
  },
  {
    title: 'refuses what was changed, and what was meant for others',
    run: (step) => {
      const { initiator, responder } = freshPair(step);
      const message1 = initiator.writeMessage1(sampleBytes(10));
      everyChange(message1, (changed, at) => {
        expectThat(
          responder.readMessage1(changed) === undefined,
          `byte ${at} of message 1 was changed, and it was read`,
        );
      });
      const stranger = step.startResponder({ prologue: PROLOGUE, staticKey: sampleBytes(32, 23) });
      expectThat(
        stranger.readMessage1(message1) === undefined,
        'another relay could read a message 1 that was not for it',
      );
      const otherPrologue = step.startResponder({ prologue: new Uint8Array(1), staticKey: RELAY });
      expectThat(
        otherPrologue.readMessage1(message1) === undefined,
        'the sides disagree on the prologue, and did not notice',
      );
      responder.readMessage1(message1);
      const { message } = responder.writeMessage2(sampleBytes(10));
      everyChange(message, (changed, at) => {
        expectThat(
          initiator.readMessage2(changed) === undefined,
          `byte ${at} of message 2 was changed, and it was read`,
        );
      });
      expectThat(
        initiator.readMessage2(message) !== undefined,
        'after forged copies of message 2 the genuine one was refused: whoever can send a datagram could stop every handshake. ' +
          'Change the state only when a message has proved genuine',
      );
    },
  },
];

const PROLOGUE = new TextEncoder().encode('the course');
const CLIENT = sampleBytes(32, 21);
const RELAY = sampleBytes(32, 22);

function freshPair({ startInitiator: initiate, startResponder: respond }: Step) {
  return {
    initiator: initiate({ prologue: PROLOGUE, staticKey: CLIENT, remoteStatic: publicKey(RELAY) }),
    responder: respond({ prologue: PROLOGUE, staticKey: RELAY }),
  };
}

function vectorPair({ startInitiator: initiate, startResponder: respond }: Step) {
  const prologue = hex(vector.prologue);
  const responderStatic = hex(vector.responderStatic);
  return {
    initiator: initiate({
      prologue,
      staticKey: hex(vector.initiatorStatic),
      ephemeralKey: hex(vector.initiatorEphemeral),
      remoteStatic: publicKey(responderStatic),
    }),
    responder: respond({
      prologue,
      staticKey: responderStatic,
      ephemeralKey: hex(vector.responderEphemeral),
    }),
  };
}

function handshake(step: Step) {
  const { initiator, responder } = freshPair(step);
  expectThat(
    responder.readMessage1(initiator.writeMessage1(sampleBytes(3))) !== undefined,
    'message 1 was refused',
  );
  const answer = responder.writeMessage2(sampleBytes(4));
  const end = initiator.readMessage2(answer.message);
  expectThat(end !== undefined, 'message 2 was refused');
  return { client: end.keys, relay: answer.keys };
}

function compare(what: string, got: Uint8Array, wanted: Uint8Array, parts: typeof PARTS_OF_MESSAGE_1): void {
  const at = wanted.findIndex((byte, i) => byte !== got[i]);
  if (at >= 0) {
    const part = parts.find(({ end }) => at < end);
    throw new Error(`${what} differs from the vector from byte ${at}: this is ${part?.name}`);
  }
  expectThat(got.length === wanted.length, `${what} has ${got.length} bytes instead of ${wanted.length}`);
}

function everyChange(bytes: Uint8Array, use: (changed: Uint8Array, at: number) => void): void {
  for (let at = 0; at < bytes.length; at++) {
    const changed = Uint8Array.from(bytes);
    // Not the top bit of a public key: X25519 ignores it in the multiplication. The hash does not.
    changed[at] = (changed[at] ?? 0) ^ 1;
    use(changed, at);
  }
}

function publicKey(secretKey: Uint8Array): Uint8Array {
  return nacl.scalarMult.base(secretKey);
}

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'));
}
