/** A stranger who knows a relay's public key and nothing else: initiations with a right mac1 from a key that the relay
 *  does not know. */
import { type Address, type CryptoSuite, RoamingPath, WireGuard } from '@underpass/protocol';
import type { SeededRandom } from './seeded-random.js';
import { RELAY_ADDRESS, STRANGER_ADDRESS } from './simulated-network.js';

/** More than the time between two initiations to one peer: his clock runs as he likes. */
const STEP_MS = 10_000;
const INITIATION_BYTES = 148;

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
    const message = new Uint8Array(INITIATION_BYTES);
    this.#wireGuard.pollMessage(this.#now, message);
    return message;
  }
}
