/** Enrols at a relay with the link of an invite (spec enrolment 3, 5). */
import {
  decodeEnrolAnswer,
  decodeStatus,
  type EnrolAnswer,
  encodeRequest,
  type InviteLink,
  MAX_ENROL_ANSWER_BYTES,
  oneTimeKeys,
  type RequestStatus,
} from '@underpass/forward';
import {
  type ConnectionError,
  ConnectionErrorCode,
  Endpoint,
  type Peer,
  StreamErrorCode,
} from '@underpass/protocol';
import {
  chooseSuite,
  type DatagramSocket,
  Driver,
  openUdpSocket,
  probePort,
  secureRandom,
  systemTimers,
  type Timers,
  transportOver,
  unixTimeMs,
} from '@underpass/runtime';
import { ENROL_ANSWER_MS, ENROL_CONTACT_MS } from './client-constants.js';
import type { ClientEvent, ContactProblem } from './client-options.js';
import { ContactReport } from './contact-report.js';
import type { NameLookup } from './relay-address.js';
import { RelayFinder } from './relay-finder.js';

export interface EnrolOptions {
  readonly link: InviteLink;
  /** The public half of the client's own key, which must be kept before this is called (spec enrolment 5.1). */
  readonly publicKey: Uint8Array;
  /** Gives up, with the outcome `no-answer`. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: ClientEvent) => void;
  readonly lookUp?: NameLookup;
  readonly timers?: Timers;
}

export type Enrolment =
  | { readonly kind: 'enrolled'; readonly answer: EnrolAnswer }
  /** The relay said no. */
  | { readonly kind: 'refused'; readonly status: Exclude<RequestStatus, 'opened'> }
  /** The relay ended the connection: the invite was revoked, or another client uses the same link. */
  | { readonly kind: 'ended'; readonly cause: 'removed' | 'superseded' }
  /** The relay was not reached, or did not answer in time. */
  | {
      readonly kind: 'no-answer';
      readonly wasReached: boolean;
      readonly problem: ContactProblem | undefined;
    };

/** Asks the relay to make a peer of this client. Asking again with the same key is harmless: until the client has
 *  connected, the relay gives the same answer.
 *  @throws UnderpassError when no socket can be opened */
export async function enrol(options: EnrolOptions): Promise<Enrolment> {
  const { link } = options;
  const suite = await chooseSuite();
  const socket = await openUdpSocket({ port: 0 });
  const { privateKey, presharedKey } = oneTimeKeys(link.secret, link.relayPublicKey);
  const endpoint = new Endpoint({
    role: 'client',
    privateKey,
    suite,
    random: secureRandom,
    unixTimeMs,
    transport: transportOver(socket, {}),
  });
  const relay = endpoint.addPeer({ publicKey: link.relayPublicKey, presharedKey });
  // The endpoint has its own copies.
  privateKey.fill(0);
  presharedKey.fill(0);
  return new EnrolmentAttempt(options, endpoint, relay, socket).run();
}

/** One attempt: a connection with the one-time keys, and a single request in it.
 *
 *  It owns the driver with its socket, and closes both when it knows the outcome. `RelayFinder` and `ContactReport` do
 *  for it what they do for a client. If the connection is lost before there is an answer, it asks again. */
class EnrolmentAttempt {
  readonly #options: EnrolOptions;
  readonly #relay: Peer;
  readonly #driver: Driver;
  readonly #finder: RelayFinder;
  readonly #report: ContactReport;
  readonly #timers: Timers;
  #problem: ContactProblem | undefined;
  #wasReached = false;
  #timer: object | undefined;
  #finish: (outcome: Enrolment) => void = () => {};

  constructor(options: EnrolOptions, endpoint: Endpoint, relay: Peer, socket: DatagramSocket) {
    this.#options = options;
    this.#relay = relay;
    this.#timers = options.timers ?? systemTimers;
    this.#driver = new Driver({
      endpoint,
      socket,
      handler: {
        onConnected: () => this.#onConnected(),
        onDisconnected: (_peer, error) => this.#onDisconnected(error),
        onSendError: (to, code) => {
          this.#report.onSendError(to, code);
          this.#finder.onSendError(to);
        },
        // A relay opens no streams towards a client that is not a peer yet.
        onStream: (_peer, stream) => stream.reset(StreamErrorCode.refused),
      },
    });
    this.#report = new ContactReport({
      relay: options.link.endpoint,
      emit: (event) => this.#emit(event),
      address: () => relay.address,
      probePort,
      waitingConnections: () => 0,
      now: () => this.#driver.now(),
      timers: this.#timers,
    });
    this.#finder = new RelayFinder({
      relay: options.link.endpoint,
      ...(options.lookUp && { lookUp: options.lookUp }),
      setAddress: (address) => {
        this.#report.onResolved();
        relay.setAddress(this.#driver.now(), address);
      },
      tryAddress: (address) => {
        relay.tryAddress(this.#driver.now(), address);
        this.#driver.wake();
      },
      contact: () => ({
        ...relay.stats(),
        hasKeys: relay.session.sendableKeypairId(this.#driver.now()) !== undefined,
      }),
      onUnresolved: (code) => {
        this.#report.onUnresolved(options.link.endpoint.host, options.link.endpoint.port, code);
      },
      timers: this.#timers,
    });
  }

  async run(): Promise<Enrolment> {
    const outcome = await new Promise<Enrolment>((resolve) => {
      this.#finish = resolve;
      const { signal } = this.#options;
      signal?.addEventListener('abort', this.#giveUp);
      if (signal?.aborted === true) this.#giveUp();
      this.#wait(ENROL_CONTACT_MS);
      void this.#finder.start();
      this.#relay.connect(this.#driver.now());
      this.#finder.seek();
      this.#report.begin();
      this.#ask();
    });
    this.#options.signal?.removeEventListener('abort', this.#giveUp);
    if (this.#timer !== undefined) this.#timers.clear(this.#timer);
    this.#finder.stop();
    this.#report.end();
    await this.#driver.close();
    return outcome;
  }

  readonly #giveUp = (): void => {
    this.#finish({ kind: 'no-answer', wasReached: this.#wasReached, problem: this.#problem });
  };

  #emit(event: ClientEvent): void {
    if (event.type === 'contact-problem') this.#problem = event.problem;
    this.#options.onEvent?.(event);
  }

  #wait(limitMs: number): void {
    if (this.#timer !== undefined) this.#timers.clear(this.#timer);
    this.#timer = this.#timers.set(this.#giveUp, limitMs);
  }

  #onConnected(): void {
    if (!this.#wasReached) this.#wait(ENROL_ANSWER_MS);
    this.#wasReached = true;
    this.#report.end();
  }

  #onDisconnected({ by, code }: ConnectionError): void {
    if (by === 'peer' && code === ConnectionErrorCode.removed) {
      this.#finish({ kind: 'ended', cause: 'removed' });
    } else if (by === 'peer' && code === ConnectionErrorCode.superseded) {
      this.#finish({ kind: 'ended', cause: 'superseded' });
    } else this.#ask();
  }

  #ask(): void {
    const stream = this.#relay.openStream();
    if (stream === undefined) return;
    let received: Uint8Array = new Uint8Array(0);
    this.#driver.attach(stream, {
      onReadable: () => {
        for (let chunk = stream.read(); chunk !== undefined; chunk = stream.read()) {
          // Bytes behind the longest answer are from a later version (spec enrolment 3.2).
          if (received.length <= MAX_ENROL_ANSWER_BYTES) {
            const joined = Buffer.concat([received, chunk]);
            received.fill(0);
            received = joined;
          }
          chunk.fill(0); // the preshared key may be in it
        }
        const outcome = outcomeOf(received, stream.readFinished);
        if (outcome === undefined) return;
        received.fill(0);
        this.#finish(outcome);
      },
    });
    stream.write(encodeRequest({ kind: 'enrol', publicKey: this.#options.publicKey }));
    stream.finish();
    this.#driver.wake();
  }
}

/** @returns undefined while the answer is incomplete */
function outcomeOf(received: Uint8Array, isOver: boolean): Enrolment | undefined {
  const status = decodeStatus(received);
  if (!status.ok) return isOver ? { kind: 'refused', status: 'internal-error' } : undefined;
  if (status.value !== 'opened') return { kind: 'refused', status: status.value };
  const answer = decodeEnrolAnswer(received.subarray(1));
  if (answer !== undefined) return { kind: 'enrolled', answer };
  return isOver ? { kind: 'refused', status: 'internal-error' } : undefined;
}
