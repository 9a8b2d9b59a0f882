/** Initiations from a stranger. */
import { type Address, type CryptoSuite, RoamingPath, WireGuard } from '@underpass/protocol';
import { RELAY_ADDRESS, STRANGER_ADDRESS } from './network-conditions.js';
import type { SeededRandom } from './seeded-random.js';

/** More than the shortest time between two initiations to one peer, since the stranger controls its own clock. */
const STEP_MS = 10_000;
const INITIATION_BYTES = 148;

/** A stranger who knows only the relay's public key. Its initiations have a valid mac1, but come from a key that the
 *  relay does not know. It owns a WireGuard core with a clock of its own, which moves on with each message. */
export class ForgedInitiations {
  readonly address: Address = STRANGER_ADDRESS;
  readonly #wireGuard: WireGuard;
  readonly #relay: ReturnType<WireGuard['addPeer']>;
  #now = 0;

  constructor(suite: CryptoSuite, random: SeededRandom, relayPublicKey: Uint8Array) {
    this.#wireGuard = new WireGuard({
      privateKey: random.bytes(32),
      suite,
      random: (length) => random.bytes(length),
      unixTimeMs: () => this.#now,
    });
    this.#relay = this.#wireGuard.addPeer(
      { publicKey: relayPublicKey, path: new RoamingPath(RELAY_ADDRESS) },
      () => undefined,
    );
  }

  next(): Uint8Array {
    this.#now += STEP_MS;
    this.#relay.requestHandshake(this.#now);
    // The one before got no response, so it is time for the next try.
    this.#wireGuard.handleTimeout(this.#now);
    const message = new Uint8Array(INITIATION_BYTES);
    this.#wireGuard.pollMessage(this.#now, message);
    return message;
  }
}
