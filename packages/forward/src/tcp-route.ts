/** The way to a host and port: resolves the name, judges every address and dials those that are permitted (spec
 *  forwarding 2.4, 3.3 to 3.6). */
import { systemCode, type Timers } from '@underpass/runtime';
import {
  judgeAddresses,
  judgeTarget,
  type OwnAddresses,
  type Rules,
  type TargetVerdict,
} from './authorize.js';
import { type DescriptorGuard, OUT_OF_DESCRIPTORS } from './descriptor-guard.js';
import { type FamilyMemory, inDialOrder } from './dial-order.js';
import type { Route, RouteOutcome } from './dial-service.js';
import { type ConnectTcp, dial } from './dialer.js';
import { DIAL_TIMEOUT_MS, MAX_DIAL_ADDRESSES } from './forward-constants.js';
import { formatTarget, type TcpTarget } from './forward-spec.js';
import type { LookupOutcome, LookupQueue } from './lookup-queue.js';
import type { RequestStatus } from './request.js';

export interface TcpRouteOptions {
  readonly lookups: LookupQueue;
  /** The peer's rules. Called for each request, because they may have changed. */
  readonly rules: () => Rules;
  /** Returns the addresses of this machine (docs/adr/0004-allow-rules.md). */
  readonly ownAddresses?: OwnAddresses;
  readonly connectTcp?: ConnectTcp;
  readonly descriptors: DescriptorGuard;
}

/** What the routes of one peer share. */
export interface SharedByRoutes {
  readonly families: FamilyMemory;
  readonly timers: Timers;
  readonly now: () => number;
}

type Done = (outcome: RouteOutcome) => void;

/** It never connects to an address that was not checked. */
export class TcpRoute implements Route {
  readonly target: TcpTarget;
  readonly #options: TcpRouteOptions;
  readonly #shared: SharedByRoutes;
  /** The rules that permitted the addresses which are being dialled. */
  #judgedBy: Rules | undefined;
  /** The last verdict about the target as it was written, and the rules that it follows from. */
  #verdict: TargetVerdict | undefined;
  #verdictRules: Rules | undefined;

  constructor({ host, port }: TcpTarget, options: TcpRouteOptions, shared: SharedByRoutes) {
    this.target = { host, port };
    this.#options = options;
    this.#shared = shared;
  }

  judge(): string | undefined {
    const verdict = this.#judgeTarget();
    return verdict.kind === 'refused' ? verdict.advice : undefined;
  }

  connect(end: number, done: Done): () => void {
    const verdict = this.#judgeTarget();
    switch (verdict.kind) {
      case 'refused':
        done(refusal('not-allowed', verdict.advice));
        return () => undefined;
      case 'addresses':
        return this.#dial(verdict.addresses, end, done);
      case 'lookup':
        return this.#lookUp(verdict.name, end, done);
    }
  }

  judgeAgain(address: string): string | undefined {
    const { ownAddresses = () => [] } = this.#options;
    const rules = this.#options.rules();
    if (rules === this.#judgedBy) return undefined;
    this.#judgedBy = rules;
    const { permitted, advice } = judgeAddresses(rules, this.target, [address], 1, ownAddresses);
    return permitted.length > 0 ? undefined : advice;
  }

  /** Judges again only if the rules have changed, which makes them another object. */
  #judgeTarget(): TargetVerdict {
    const rules = this.#options.rules();
    if (this.#verdict === undefined || rules !== this.#verdictRules) {
      this.#verdict = judgeTarget(rules, this.target);
      this.#verdictRules = rules;
    }
    return this.#verdict;
  }

  #lookUp(name: string, end: number, done: Done): () => void {
    const { lookups } = this.#options;
    const { timers, now } = this.#shared;
    let cancel = (): void => {
      timers.clear(timer);
      callOff();
    };
    const timer = timers.set(() => {
      callOff();
      done(
        refusal(
          'timed-out',
          `${name} did not resolve within ${DIAL_TIMEOUT_MS / 1000} s: check this machine's DNS`,
        ),
      );
    }, end - now());
    const callOff = lookups.lookup(this.#options, name, (outcome: LookupOutcome) => {
      timers.clear(timer);
      if (!outcome.ok && this.#isShortage(outcome.error)) done(shortage());
      else if (!outcome.ok || outcome.addresses.length === 0) {
        done(
          refusal('name-not-found', `${name} does not resolve here: check the name and this machine's DNS`),
        );
      } else cancel = this.#dial(outcome.addresses, end, done);
    });
    return () => cancel();
  }

  /** Resolvers report a lack of descriptors in several ways, some of them as a name that does not exist (spec
   *  forwarding 2.7). */
  #isShortage(error: unknown): boolean {
    const code = systemCode(error);
    return code === 'EMFILE' || code === 'ENFILE' || !this.#options.descriptors.hasRoom();
  }

  /** spec forwarding 3.4: judges each address by itself and connects only to those that were permitted */
  #dial(candidates: readonly string[], end: number, done: Done): () => void {
    const { target } = this;
    const { ownAddresses = () => [], connectTcp, descriptors } = this.#options;
    const rules = this.#options.rules();
    this.#judgedBy = rules;
    const { families, timers, now } = this.#shared;
    const { permitted, advice } = judgeAddresses(
      rules,
      target,
      inDialOrder(candidates, families.get(target.host)),
      MAX_DIAL_ADDRESSES,
      ownAddresses,
    );
    if (permitted.length === 0) {
      done(refusal('not-allowed', advice));
      return () => undefined;
    }
    const options = {
      addresses: permitted,
      port: target.port,
      timeoutMs: Math.max(end - now(), 0),
      timers,
      ...(connectTcp && { connectTcp }),
    };
    return dial(options, (outcome) => {
      if (outcome.ok) {
        families.remember(target.host, candidates, outcome.address);
        done(outcome);
      } else if (outcome.status === 'internal-error' && !descriptors.hasRoom()) done(shortage());
      else done(refusal(outcome.status, adviceFor(outcome.status, target)));
    });
  }
}

function refusal(status: RequestStatus, advice: string): RouteOutcome {
  return { ok: false, status, advice };
}

function shortage(): RouteOutcome {
  return refusal('internal-error', OUT_OF_DESCRIPTORS);
}

function adviceFor(status: RequestStatus, target: TcpTarget): string {
  const where = formatTarget(target);
  switch (status) {
    case 'connection-refused':
      return `${where} refused the connection: nothing listens there`;
    case 'timed-out':
      return `${where} did not answer within ${DIAL_TIMEOUT_MS / 1000} s: check that it runs and that no firewall blocks it`;
    case 'unreachable':
      return `${where} cannot be reached from this machine: there is no route to it`;
    default:
      return `${where} could not be dialled: this machine is out of sockets or memory`;
  }
}
