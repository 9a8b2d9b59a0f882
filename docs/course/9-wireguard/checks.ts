/** Checks of step 9: two handshakes that Wireshark's developers recorded between real WireGuard peers. */
import { type Check, expectThat, sameBytes } from '../check.ts';
import vectors from './vectors.json' with { type: 'json' };
import type { WireGuardInitiator } from './wireguard.ts';

interface Step {
  readonly WireGuardInitiator: typeof WireGuardInitiator;
}

type Handshake = (typeof vectors.handshakes)[number];

const PARTS = [
  { end: 8, name: 'type, three zeros, and our index, little-endian' },
  { end: 40, name: 'the ephemeral public key' },
  {
    end: 88,
    name: 'the sealed static key. With psk, the ephemeral public key is mixed into the chaining key too',
  },
  { end: 116, name: 'the sealed timestamp' },
  {
    end: 132,
    name: 'mac1: BLAKE2s-128 of all before it, with the key HASH("mac1----" and the responder\'s public key)',
  },
  { end: 148, name: 'mac2, which is zero as long as there is no cookie' },
];

export const checks: readonly Check<Step>[] = [
  {
    title: 'makes the initiations of the recordings, byte for byte',
    run: (step) => {
      for (const handshake of vectors.handshakes) {
        const { initiation } = begin(step, handshake);
        const wanted = hex(handshake.message1);
        const at = wanted.findIndex((byte, i) => byte !== initiation[i]);
        expectThat(
          at < 0,
          `${handshake.name}: the initiation differs from byte ${at}: this is ${PARTS.find(({ end }) => at < end)?.name}`,
        );
        expectThat(initiation.length === 148, `an initiation has 148 bytes, not ${initiation.length}`);
      }
    },
  },
  {
    title: 'finds the keys of the recordings, with and without a preshared key',
    run: (step) => {
      for (const handshake of vectors.handshakes) {
        const session = begin(step, handshake).initiator.consumeResponse(hex(handshake.message2));
        expectThat(
          session !== undefined,
          `${handshake.name}: the recorded response was refused: after se comes psk, which is mixed into key and hash`,
        );
        expectThat(
          sameBytes(session.keys.send, hex(handshake.sendKey)) &&
            sameBytes(session.keys.receive, hex(handshake.receiveKey)),
          `${handshake.name}: the transport keys differ from those that the peers used, or are exchanged`,
        );
      }
    },
  },
  {
    title: 'refuses a response in which any byte was changed, and then takes the genuine one',
    run: (step) => {
      const [handshake] = vectors.handshakes as [Handshake];
      const { initiator } = begin(step, handshake);
      const response = hex(handshake.message2);
      // Not the sender index, which only mac1 covers, and mac2, which nobody checks who is not under load.
      for (let at = 0; at < 76; at++) {
        const changed = Uint8Array.from(response);
        changed[at] = (changed[at] ?? 0) ^ 1;
        if (at > 0 && at < 4) continue; // reserved bytes
        expectThat(
          initiator.consumeResponse(changed) === undefined,
          `byte ${at} of the response was changed, and it was accepted`,
        );
      }
      expectThat(
        initiator.consumeResponse(response) !== undefined,
        'after forged responses the genuine one was refused',
      );
    },
  },
  {
    title: 'seals and opens packets as the recorded peers did',
    run: (step) => {
      const [handshake] = vectors.handshakes as [Handshake];
      const session = begin(step, handshake).initiator.consumeResponse(hex(handshake.message2));
      expectThat(session !== undefined, 'there is no session');
      const [sent, received] = handshake.transport;
      expectThat(
        sameBytes(session.seal(hex(sent?.plaintext ?? '')), hex(sent?.packet ?? '')),
        "the first packet that we seal differs from the recorded one: counter 0, the peer's index, padding with zeros to a multiple of 16",
      );
      const opened = session.open(hex(received?.packet ?? ''));
      expectThat(
        opened !== undefined && sameBytes(opened, hex(received?.plaintext ?? '')),
        'the recorded answer could not be opened',
      );
      const changed = hex(received?.packet ?? '');
      changed[20] = (changed[20] ?? 0) ^ 1;
      expectThat(session.open(changed) === undefined, 'a changed packet was opened');
      expectThat(session.open(changed.slice(0, 20)) === undefined, 'a packet cut to 20 bytes was opened');
    },
  },
];

function begin({ WireGuardInitiator: Initiator }: Step, handshake: Handshake) {
  const initiator = new Initiator({
    staticKey: hex(handshake.initiatorStatic),
    remoteStatic: hex(handshake.responderStaticPublic),
    presharedKey: hex(handshake.presharedKey),
    ephemeralKey: hex(handshake.initiatorEphemeral),
    index: handshake.initiatorIndex,
  });
  return { initiator, initiation: initiator.createInitiation(hex(handshake.timestamp)) };
}

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'));
}
