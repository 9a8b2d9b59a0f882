/** Checks of step 4. They do to sealed datagrams what an attacker on the path can do. */
import nacl from 'tweetnacl';
import { type Check, expectThat, sameBytes, sampleBytes } from '../check.ts';
import type { SealedChannel } from './seal.ts';

interface Step {
  readonly SealedChannel: typeof SealedChannel;
}

const CLIENT = nacl.box.keyPair.fromSecretKey(sampleBytes(32, 11));
const RELAY = nacl.box.keyPair.fromSecretKey(sampleBytes(32, 12));
const NONCE_BYTES = 24;

export const checks: readonly Check<Step>[] = [
  {
    title: 'opens what the other side sealed',
    run: (step) => {
      const { client, relay } = pair(step);
      for (const length of [0, 1, 1200]) {
        const message = sampleBytes(length);
        for (const [from, to] of [
          [client, relay],
          [relay, client],
        ] as const) {
          const opened = to.open(from.seal(message));
          expectThat(
            opened !== undefined && sameBytes(opened, message),
            `a message of ${length} bytes did not arrive`,
          );
        }
      }
    },
  },
  {
    title: 'refuses a datagram in which any bit was changed, or which was cut',
    run: (step) => {
      const { client, relay } = pair(step);
      const datagram = client.seal(sampleBytes(20));
      for (let bit = 0; bit < datagram.length * 8; bit++) {
        const changed = Uint8Array.from(datagram);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expectThat(
          relay.open(changed) === undefined,
          `byte ${bit >> 3} was changed, and the datagram was opened`,
        );
      }
      for (let length = 0; length < datagram.length; length++) {
        expectThat(
          relay.open(datagram.slice(0, length)) === undefined,
          `cut to ${length} bytes, it was opened`,
        );
      }
      expectThat(
        relay.open(datagram) !== undefined,
        'after forged copies, the genuine datagram was refused: a forgery had an effect. ' +
          'Note a counter only after the box has been opened',
      );
    },
  },
  {
    title: 'accepts every datagram once, in any order',
    run: (step) => {
      const { client, relay } = pair(step);
      const datagrams = Array.from({ length: 40 }, (_, i) => client.seal(Uint8Array.of(i)));
      const shuffled = [...datagrams.slice(20), ...datagrams.slice(0, 20).reverse()];
      for (const datagram of shuffled) {
        expectThat(
          relay.open(datagram) !== undefined,
          'a datagram that came late was refused: networks reorder. Remember which of the last counters have come, not only the highest',
        );
      }
      for (const datagram of shuffled) {
        expectThat(
          relay.open(datagram) === undefined,
          'a datagram was accepted twice: an attacker records "pay 10" and sends it ten times. The seal is genuine; only the counter tells',
        );
      }
    },
  },
  {
    title: 'refuses its own datagrams',
    run: (step) => {
      const { client, relay } = pair(step);
      for (const side of [client, relay]) {
        expectThat(
          side.open(side.seal(sampleBytes(9))) === undefined,
          'a side opened what it had sealed itself: both directions share one key, so the datagram must say who sent it',
        );
      }
    },
  },
  {
    title: 'never uses a nonce twice',
    run: (step) => {
      const nonces = new Set<string>();
      // Two runs of each side, with the same keys: counters begin at the same number.
      for (const { client, relay } of [pair(step), pair(step)]) {
        for (const side of [client, relay]) {
          for (let i = 0; i < 100; i++) {
            const nonce = Buffer.from(side.seal(sampleBytes(5)).subarray(0, NONCE_BYTES)).toString('hex');
            expectThat(
              !nonces.has(nonce),
              'a nonce was used twice with one key: XOR of the two boxes is XOR of the two messages. It happens when both ' +
                'sides count from the same number, or when a restarted process counts from 1 again',
            );
            nonces.add(nonce);
          }
        }
      }
    },
  },
  {
    title: 'understands a peer that restarted',
    run: (step) => {
      const before = pair(step);
      for (let i = 0; i < 100; i++) before.relay.open(before.client.seal(sampleBytes(3)));
      const restarted = pair(step).client;
      expectThat(
        before.relay.open(restarted.seal(sampleBytes(3))) !== undefined,
        'the client restarted and counts from 1 again; the relay took its datagrams for old ones',
      );
    },
  },
];

function pair({ SealedChannel: Channel }: Step): { client: SealedChannel; relay: SealedChannel } {
  return {
    client: new Channel('client', CLIENT.secretKey, RELAY.publicKey),
    relay: new Channel('relay', RELAY.secretKey, CLIENT.publicKey),
  };
}
