/** Decides who may enrol with an invite (spec enrolment 4). */
import { type Address, bytesKey, MAX_PEERS } from '@underpass/protocol';
import type { EnrolOutcome, RelayEvent, RelayOptions, RelayPeerOptions } from './relay-options.js';

export interface RegistrarOptions {
  /** The relay's own. */
  readonly publicKey: Uint8Array;
  /** All peers and invites of the relay, whichever process serves them. */
  readonly everybody: {
    /** The name of the peer with this key. */
    nameOf(publicKey: Uint8Array): string | undefined;
    /** Whether it is the one-time key of an invite. */
    isInvite(publicKey: Uint8Array): boolean;
    /** How many peers and invites there are. */
    count(): number;
    /** Adds a peer. What is known about everybody changes before it returns; the process that serves the peer may
     *  learn of it later. */
    add(peer: RelayPeerOptions): void | Promise<void>;
  };
  readonly emit: (event: RelayEvent) => void;
  readonly relay: Pick<RelayOptions, 'enrol' | 'log'>;
}

type Refusal = Exclude<EnrolOutcome['status'], 'opened'>;

/** Makes peers of clients that enrol.
 *
 *  There is one, even if several processes serve the peers. So an invite works once, and no key gets two owners. The
 *  relay's `enrol` decides who may, and keeps that. */
export class Registrar {
  readonly #options: RegistrarOptions;

  constructor(options: RegistrarOptions) {
    this.#options = options;
  }

  /** Makes a peer of the client with this key, if that may be.
   *  @param name  of the invite
   *  @returns when the client can connect; the caller has to wipe the preshared key */
  async enrol(name: string, publicKey: Uint8Array, address: Address | undefined): Promise<EnrolOutcome> {
    const { publicKey: own, everybody, emit } = this.#options;
    const about = { peer: name, publicKey, address };
    const refuse = (status: Refusal, advice: string): EnrolOutcome => {
      emit({ type: 'enrol-refused', ...about, status, advice });
      return { status };
    };
    const holder = everybody.nameOf(publicKey);
    const isRelays = bytesKey(publicKey) === bytesKey(own);
    if (isRelays || everybody.isInvite(publicKey) || (holder !== undefined && holder !== name)) {
      return refuse('not-allowed', 'its key belongs to somebody else');
    }
    if (holder === undefined && everybody.count() >= MAX_PEERS) {
      return refuse('internal-error', `a relay can have at most ${MAX_PEERS} peers and invites`);
    }
    const outcome = this.#decide(name, publicKey);
    if (outcome.status === 'opened') {
      if (holder === undefined) await everybody.add(outcome.peer);
      emit({ type: 'peer-enrolled', ...about });
      return outcome;
    }
    // spec enrolment 4.4: two have the link
    if (outcome.status === 'invite-used' && holder === undefined) {
      emit({ type: 'invite-reused', ...about });
      return outcome;
    }
    return refuse(outcome.status, ADVICE[outcome.status] ?? outcome.status);
  }

  #decide(name: string, publicKey: Uint8Array): EnrolOutcome {
    const { enrol, log } = this.#options.relay;
    try {
      return enrol?.(name, publicKey) ?? { status: 'not-allowed' };
    } catch (error) {
      // spec enrolment 4.2: a client whose key could not be kept has not enrolled
      const reason = error instanceof Error ? error.message : String(error);
      log.error({ event: 'enrol-failed', peer: name }, `${name} cannot enrol: ${reason}`);
      return { status: 'internal-error' };
    }
  }
}

/** Why a request is refused, for the log. */
const ADVICE: Readonly<Partial<Record<Refusal, string>>> = {
  'invite-used': 'this client has enrolled with the link already',
  'invite-expired': 'the link has expired',
  'not-allowed': 'the invite was revoked',
  'internal-error': 'this relay could not keep its key',
};
