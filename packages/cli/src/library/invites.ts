/** The invites of a relay in a program (spec enrolment 4). They live in memory: a program that keeps its peers somewhere
 *  is told about each that enrols, before the client is. */
import { randomBytes } from 'node:crypto';
import {
  type AllowRule,
  formatInviteLink,
  type ListenRule,
  type MaxRate,
  oneTimeKeys,
} from '@underpass/forward';
import { copySecret, drawSecret } from '@underpass/protocol';
import type { EnrolOutcome, RelayInviteOptions, RelayPeerOptions } from '@underpass/relay';
import type { HostPort } from '../host-port.js';
import { isSameKey, KEY_BYTES } from '../key-text.js';
import { INVITE_GRACE_MS } from '../limits.js';
import { publicKeyOf } from '../public-key.js';

export interface InviteRules {
  readonly allow: readonly AllowRule[];
  readonly allowListen: readonly ListenRule[];
  readonly maxRate?: MaxRate;
}

/** An enrolled client: what the relay has to know from now on. */
export type EnrolledPeer = RelayPeerOptions & { readonly presharedKey: Uint8Array };

interface Invite extends RelayInviteOptions {
  readonly rules: InviteRules;
  readonly expiresAtMs: number;
  /** The client that has enrolled with it. */
  enrolled: { readonly publicKey: Uint8Array; readonly presharedKey: Uint8Array } | undefined;
  /** The client has connected with its own key, so the answer is not needed any more. */
  hasConnected: boolean;
}

/** Which invites there are, and who enrolled with them.
 *
 *  The relay asks `enrol` for its decision and gets `forRelay` whenever the list has changed. An invite that is used or
 *  expired is kept for a while, so that its holder learns that (spec enrolment 4.5). */
export class Invites {
  readonly #invites = new Map<string, Invite>();
  readonly #onEnrol: (peer: EnrolledPeer) => void;
  readonly #unixTimeMs: () => number;

  /** @param onEnrol  keeps a new peer. If it throws, nobody has enrolled */
  constructor(onEnrol: (peer: EnrolledPeer) => void, unixTimeMs: () => number) {
    this.#onEnrol = onEnrol;
    this.#unixTimeMs = unixTimeMs;
  }

  get size(): number {
    this.#forget();
    return this.#invites.size;
  }

  /** Whether an invite of that name is open. */
  isOpen(name: string): boolean {
    const invite = this.#invites.get(name);
    return invite !== undefined && invite.enrolled === undefined && this.#unixTimeMs() < invite.expiresAtMs;
  }

  /** Replaces an invite of that name that is over.
   *  @returns the link, and what ends the invite while it is open: true if it was */
  add(
    name: string,
    rules: InviteRules,
    expiresAtMs: number,
    relay: { readonly endpoint: HostPort; readonly publicKey: Uint8Array },
  ): { readonly link: string; readonly revoke: () => boolean } {
    const secret = randomBytes(KEY_BYTES);
    const { privateKey, presharedKey } = oneTimeKeys(secret, relay.publicKey);
    const publicKey = publicKeyOf(privateKey);
    privateKey.fill(0);
    this.#delete(name);
    const invite: Invite = {
      name,
      publicKey,
      presharedKey,
      rules,
      expiresAtMs,
      enrolled: undefined,
      hasConnected: false,
    };
    this.#invites.set(name, invite);
    const link = formatInviteLink({ endpoint: relay.endpoint, relayPublicKey: relay.publicKey, secret });
    secret.fill(0);
    const revoke = (): boolean => {
      if (this.#invites.get(name) !== invite || !this.isOpen(name)) return false;
      this.#delete(name);
      return true;
    };
    return { link, revoke };
  }

  forRelay(): readonly RelayInviteOptions[] {
    this.#forget();
    return [...this.#invites.values()];
  }

  onConnected(name: string): void {
    const invite = this.#invites.get(name);
    if (invite !== undefined) invite.hasConnected = true;
  }

  enrol(name: string, publicKey: Uint8Array): EnrolOutcome {
    const invite = this.#invites.get(name);
    if (invite === undefined) return { status: 'not-allowed' };
    const isExpired = this.#unixTimeMs() >= invite.expiresAtMs;
    const { enrolled } = invite;
    if (enrolled !== undefined) {
      // spec enrolment 4.3: the answer was lost
      const mayAskAgain = isSameKey(enrolled.publicKey, publicKey) && !invite.hasConnected && !isExpired;
      return mayAskAgain ? { status: 'opened', peer: peerOf(invite, enrolled) } : { status: 'invite-used' };
    }
    if (isExpired) return { status: 'invite-expired' };
    const drawn = { publicKey: Uint8Array.from(publicKey), presharedKey: drawSecret(randomBytes, KEY_BYTES) };
    const peer = peerOf(invite, drawn);
    this.#onEnrol(peer); // spec enrolment 4.2: kept, then answered
    invite.enrolled = drawn;
    return { status: 'opened', peer };
  }

  /** Forgets all, and wipes their keys. */
  clear(): void {
    for (const name of this.#invites.keys()) this.#delete(name);
  }

  #delete(name: string): void {
    const invite = this.#invites.get(name);
    invite?.presharedKey.fill(0);
    invite?.enrolled?.presharedKey.fill(0);
    this.#invites.delete(name);
  }

  #forget(): void {
    for (const [name, { expiresAtMs }] of this.#invites) {
      if (this.#unixTimeMs() >= expiresAtMs + INVITE_GRACE_MS) this.#delete(name);
    }
  }
}

/** With a copy of the preshared key, because the relay wipes what it gets. */
function peerOf({ name, rules }: Invite, keys: NonNullable<Invite['enrolled']>): EnrolledPeer {
  const { publicKey, presharedKey } = keys;
  return { name, publicKey, presharedKey: copySecret(presharedKey), ...rules };
}
