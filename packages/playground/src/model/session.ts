import { createPortableSuite } from '@underpass/protocol';
import type { Action, Deed } from './actions.js';
import { MAX_ACTIONS, MAX_REMEMBERED_BYTES, MAX_RUN_MS } from './limits.js';
import { perform } from './perform.js';
import { onGrid, type Plan } from './plan.js';
import { RememberingSuite } from './remembering-suite.js';
import { Run } from './run.js';
import type { Setup } from './settings.js';

/** A seed, a list of actions, and a moment: the state of the whole page.
 *
 *  Time moves in both directions. Forward, the run goes on, and actions that lie ahead are carried out when their time
 *  comes. Back, the session is run again from its start, with the same actions, up to the wanted moment: nothing is
 *  ever undone. A new action discards those that lie ahead.
 *
 *  The session owns the current run and the memory of what was sealed, which makes the second run much faster than the
 *  first. It knows nothing of the page and has no clock: its owner calls `advance`. */
export class Session {
  readonly setup: Setup;
  readonly #suite = new RememberingSuite(createPortableSuite(), MAX_REMEMBERED_BYTES);
  #actions: readonly Action[];
  #run: Run;
  /** How many of the actions were carried out in this run. */
  #done = 0;

  constructor({ setup, actions, at }: Plan) {
    this.setup = setup;
    this.#actions = actions;
    this.#run = new Run(setup, this.#suite);
    this.advance(at);
  }

  get run(): Run {
    return this.#run;
  }
  get now(): number {
    return this.#run.now;
  }
  get actions(): readonly Action[] {
    return this.#actions;
  }
  /** The actions that were not carried out yet. */
  get ahead(): readonly Action[] {
    return this.#actions.slice(this.#done);
  }
  get plan(): Plan {
    const at = this.settle();
    return { setup: this.setup, actions: this.#actions, at, digest: this.#run.world.digest.value };
  }

  /** Goes forward to a moment. Everything that is due then has happened. */
  advance(to: number): void {
    const until = Math.min(to, MAX_RUN_MS);
    for (let next = this.#next(until); next !== undefined; next = this.#next(until)) {
      this.#run.run(next.at);
      if (this.#run.isOver) return;
      this.#perform(next);
    }
    this.#run.run(until);
  }

  /** Goes forward to the end of this microsecond, so that a link can state the moment.
   *  @returns the moment */
  settle(): number {
    this.advance(onGrid(this.now));
    return this.now;
  }

  /** Goes forward to the next thing that is worth a look, but not beyond `limit`.
   *  @returns whether there was one */
  step(limit = MAX_RUN_MS): boolean {
    const next = this.#next(limit);
    if (this.#run.run(Math.min(next?.at ?? limit, MAX_RUN_MS), true)) return true;
    if (next === undefined || this.#run.isOver) return false;
    this.#perform(next);
    return true;
  }

  /** Goes to any moment, back or forward. */
  goTo(at: number): void {
    if (at < this.now) {
      this.#run = new Run(this.setup, this.#suite);
      this.#done = 0;
    }
    this.advance(at);
  }

  /** Goes back to the moment before the last thing that was worth a look. */
  stepBack(): void {
    this.goTo(this.#momentBefore());
  }

  /** Does something now, in place of everything that lies ahead.
   *  @returns false if the session has as many actions as it can hold */
  act(deed: Deed): boolean {
    if (this.#done >= MAX_ACTIONS) return false;
    // Everything up to that microsecond comes first, here and whenever the session is run again.
    const at = this.settle();
    const action = { ...deed, at };
    this.#actions = [...this.#actions.slice(0, this.#done), action];
    this.#perform(action);
    return true;
  }

  #perform(action: Action): void {
    this.#done++;
    perform(this.#run, action);
    // Whatever it causes at once belongs to this moment.
    this.#run.world.run(this.now);
  }

  /** The next action, if it is due by then. */
  #next(until: number): Action | undefined {
    const action = this.#actions[this.#done];
    return action !== undefined && action.at <= until ? action : undefined;
  }

  #momentBefore(): number {
    const { datagrams, happenings } = this.#run.history;
    let latest = 0;
    const consider = (at: number) => {
      if (at > latest && at < this.now) latest = at;
    };
    for (const { sentAt, endsAt } of datagrams) {
      consider(sentAt);
      consider(endsAt);
    }
    for (const { at } of happenings) consider(at);
    return latest;
  }
}
