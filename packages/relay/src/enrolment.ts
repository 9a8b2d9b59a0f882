/** The relay's side of enrolment: its open invites, and the requests of those who hold a link (spec enrolment 4). */
import {
  encodeEnrolAnswer,
  IncomingRequest,
  type IncomingRequestOptions,
  type RequestService,
  type StreamRequest,
  type Tunnel,
} from '@underpass/forward';
import { type Address, bytesKey, type Endpoint, type Peer, type Stream } from '@underpass/protocol';
import type { Timers } from '@underpass/runtime';
import type { EnrolOutcome, RelayInviteOptions, RelayOptions } from './relay-options.js';

/** How many requests a client with a link may make in one connection. One is enough; a second follows a reset. */
export const MAX_ENROL_REQUESTS = 8;

export interface InvitationsOptions {
  readonly endpoint: Endpoint;
  readonly tunnel: Tunnel;
  readonly timers: Timers;
  readonly now: () => number;
  /** `Registrar.enrol`, in this process or in another. */
  readonly enrol: (
    invite: string,
    publicKey: Uint8Array,
    address: Address | undefined,
  ) => Promise<EnrolOutcome>;
  /** What clients that enrol call this relay. */
  readonly name: RelayOptions['name'];
}

interface Invitation {
  readonly name: string;
  /** The endpoint's peer for the one-time key of the link. */
  readonly peer: Peer;
  requests: number;
}

/** The invites that can be used, or whose holders must learn that they cannot.
 *
 *  It owns an endpoint peer for each invite, with the one-time key that follows from the link. Such a peer is not a
 *  member: it has no rules and no acceptor, and the only request that is carried out for it is to enrol. The registrar
 *  decides who may. */
export class Invitations {
  readonly #options: InvitationsOptions;
  /** By the one-time public key. */
  readonly #invitations = new Map<string, Invitation>();

  constructor(options: InvitationsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#invitations.size;
  }

  has(publicKey: Uint8Array): boolean {
    return this.#invitations.has(bytesKey(publicKey));
  }

  /** Replaces the list of invites. Those that stay keep their connections. */
  set(invites: readonly RelayInviteOptions[]): void {
    const { endpoint, now } = this.#options;
    const wanted = new Map(invites.map((invite) => [bytesKey(invite.publicKey), invite]));
    for (const [key, { peer, name }] of this.#invitations) {
      const invite = wanted.get(key);
      if (invite?.name === name && peer.hasPresharedKey(invite.presharedKey)) continue;
      this.#invitations.delete(key);
      endpoint.removePeer(now(), peer, 'the invite was revoked, or has expired');
    }
    for (const [key, { name, publicKey, presharedKey }] of wanted) {
      if (this.#invitations.has(key)) continue;
      const peer = endpoint.addPeer({ publicKey, presharedKey });
      this.#invitations.set(key, { name, peer, requests: 0 });
    }
  }

  /** Call when a peer has connected: each connection may make some requests. */
  onConnected(peer: Peer): void {
    const invitation = this.#find(peer);
    if (invitation !== undefined) invitation.requests = 0;
  }

  /** @returns false if `peer` is not an invite */
  accept(peer: Peer, stream: Stream): boolean {
    const invitation = this.#find(peer);
    if (invitation === undefined) return false;
    const { tunnel, timers } = this.#options;
    const options: IncomingRequestOptions = {
      tunnel,
      timers,
      serve: (request, incoming) => this.#serve(invitation, request, incoming),
      onDecided: () => {},
      onRefused: () => {}, // `enrol` has reported what matters
    };
    const request = new IncomingRequest(stream, options);
    tunnel.attach(stream, request);
    request.start();
    return true;
  }

  #find(peer: Peer): Invitation | undefined {
    const invitation = this.#invitations.get(bytesKey(peer.publicKey));
    return invitation?.peer === peer ? invitation : undefined;
  }

  #serve(invitation: Invitation, request: StreamRequest, incoming: IncomingRequest): RequestService {
    return {
      start: () => void this.#answer(invitation, request, incoming),
      cancel: () => {},
      onReadable: () => discard(incoming.stream),
    };
  }

  async #answer(invitation: Invitation, request: StreamRequest, incoming: IncomingRequest): Promise<void> {
    // spec enrolment 3.3: a link is good for nothing else
    if (request.kind !== 'enrol') {
      incoming.refuse('not-allowed', 'an invite can only enrol');
      return;
    }
    if (++invitation.requests > MAX_ENROL_REQUESTS) {
      incoming.refuse('too-many-streams', 'too many requests to enrol');
      return;
    }
    const { enrol, name } = this.#options;
    const outcome = await enrol(invitation.name, request.publicKey, invitation.peer.stats().address);
    // The client may have gone meanwhile. It can ask again: it gets the same answer (spec enrolment 4.3).
    if (incoming.isDecided) {
      if (outcome.status === 'opened') outcome.peer.presharedKey.fill(0);
      return;
    }
    if (outcome.status !== 'opened') {
      incoming.refuse(outcome.status, outcome.status);
      return;
    }
    const { name: peerName, presharedKey } = outcome.peer;
    const answer = encodeEnrolAnswer({
      presharedKey,
      peerName,
      relayName: name?.() ?? '',
    });
    presharedKey.fill(0);
    incoming.open();
    incoming.stream.write(answer);
    incoming.stream.finish();
    discard(incoming.stream);
    this.#options.tunnel.wake();
  }
}

/** Reads what nobody needs, so that the stream can end. */
function discard(stream: Stream): void {
  while (stream.read() !== undefined);
}
