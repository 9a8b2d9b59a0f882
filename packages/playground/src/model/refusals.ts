import { DROP_REASONS, type DropReason } from '@underpass/protocol';

type Drops = Readonly<Record<DropReason, number>>;

/** Finds out why an endpoint dropped a datagram, from its counters before and after. */
export class Refusals {
  readonly #before = DROP_REASONS.map(() => 0);

  note(drops: Drops | undefined): void {
    for (const [i, reason] of DROP_REASONS.entries()) this.#before[i] = drops?.[reason] ?? 0;
  }

  /** @returns the reason whose count has risen */
  changed(drops: Drops | undefined): DropReason | undefined {
    return DROP_REASONS.find((reason, i) => (drops?.[reason] ?? 0) > (this.#before[i] as number));
  }
}
