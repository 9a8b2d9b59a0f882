import { signal } from '@preact/signals';
import { EXPERIMENTS, type Experiment } from '../experiments/index.js';
import type { Deed } from '../model/actions.js';
import { describeDeed } from '../model/deed-words.js';
import { Explainer } from '../model/explainer.js';
import type { Datagram } from '../model/history.js';
import { EMPTY_PLAN, type Plan, readPlan, writePlan } from '../model/plan.js';
import { Repairs } from '../model/repairs.js';
import type { Run } from '../model/run.js';
import { Session } from '../model/session.js';
import { fateWords, routeWords } from './words.js';

/** Virtual milliseconds per real second. */
export const SPEEDS = [2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] as const;
const DEFAULT_SPEED = 20;
/** How often the tables follow while time runs, and how long a frame may compute. */
const REFRESH_MS = 160;
const BUDGET_MS = 10;
const SLICES = 12;
/** A page in the background gets no frames. What it missed is not made up for. */
const MAX_FRAME_MS = 50;
const LINK_DELAY_MS = 250;
/** How far a step goes if nothing happens. */
const MAX_STEP_MS = 60_000;

/** The state of the page: a session, whether its time runs and how fast, and what is selected.
 *
 *  Components read the signals and call the methods; only this class touches the session. `version` rises whenever
 *  something that is shown may have changed: at once after a command, and a few times a second while time runs. The
 *  canvas does not wait for it: it listens to each frame. */
export class Lab {
  readonly version = signal(0);
  readonly isPlaying = signal(false);
  readonly speed = signal<number>(DEFAULT_SPEED);
  /** The id of the datagram that is shown. */
  readonly selected = signal<number | undefined>(undefined);
  /** Which client's datagrams are shown; undefined for all. */
  readonly lane = signal<number | undefined>(undefined);
  readonly experiment = signal<Experiment | undefined>(undefined);
  /** What is wrong with the link that was opened, or why nothing more can happen. */
  readonly problem = signal<string | undefined>(undefined);
  /** What a screen reader says. It is set by commands, never by passing time. */
  readonly spoken = signal('');
  /** Called in each frame while time runs, and after each command. */
  readonly onFrame = new Set<() => void>();

  session = new Session(EMPTY_PLAN);
  #explainer = new Explainer(this.session.run);
  #repairs = new Repairs(this.session.run, this.#explainer);
  #run: Run = this.session.run;
  readonly #window: Window;
  #frameAt = 0;
  #refreshedAt = 0;
  #linkTimer = 0;
  #furthest = 0;

  constructor(page: Window) {
    this.#window = page;
    page.addEventListener('hashchange', () => this.#openAddress());
    this.#openAddress();
  }

  get run(): Run {
    return this.session.run;
  }
  get now(): number {
    return this.session.now;
  }
  /** The latest moment that was shown: the end of the time bar. */
  get furthest(): number {
    return this.#furthest;
  }
  get datagram(): Datagram | undefined {
    const id = this.selected.value;
    return id === undefined ? undefined : this.run.history.get(id);
  }
  get explainer(): Explainer {
    this.#followRun();
    return this.#explainer;
  }
  get repairs(): Repairs {
    this.#followRun();
    return this.#repairs;
  }

  /** Going back makes another run. What is known about the former one is of no use there. */
  #followRun(): void {
    if (this.#run === this.run) return;
    this.#run = this.run;
    this.#explainer = new Explainer(this.run);
    this.#repairs = new Repairs(this.run, this.#explainer);
  }

  // ---- commands ---------------------------------------------------------------------------------------------

  open(plan: Plan, experiment?: Experiment): void {
    this.pause();
    this.session = new Session(plan);
    this.#furthest = 0;
    this.experiment.value = experiment;
    this.selected.value = undefined;
    this.lane.value = undefined;
    this.problem.value = undefined;
    if (experiment !== undefined) this.speed.value = experiment.speed;
    this.#changed(experiment === undefined ? 'New session' : `Experiment: ${experiment.title}`);
  }

  openExperiment(name: string | undefined): void {
    const experiment = EXPERIMENTS.find((one) => one.name === name);
    const read = experiment === undefined ? undefined : readPlan(experiment.link);
    if (read !== undefined && 'plan' in read) this.open(read.plan, experiment);
    else this.open(EMPTY_PLAN);
  }

  play(): void {
    if (this.isPlaying.value || this.run.isOver) return;
    this.isPlaying.value = true;
    this.#frameAt = this.#window.performance.now();
    this.#window.requestAnimationFrame((at) => this.#frame(at));
  }

  pause(): void {
    if (!this.isPlaying.value) return;
    this.isPlaying.value = false;
    this.#changed(`Paused at ${this.#clock()}`);
  }

  toggle(): void {
    if (this.isPlaying.value) this.pause();
    else this.play();
  }

  step(): void {
    this.pause();
    const { history } = this.run;
    const before = history.happenings.length;
    const hasNews = this.session.step(this.now + MAX_STEP_MS);
    const news = hasNews ? history.happenings.slice(before).at(-1)?.text : 'nothing happened for a minute';
    this.#changed(`${this.#clock()}${news === undefined ? '' : `: ${news}`}`);
  }

  stepBack(): void {
    this.pause();
    this.session.stepBack();
    this.#changed(`Back to ${this.#clock()}`);
  }

  goTo(at: number): void {
    this.pause();
    this.session.goTo(at);
    this.#changed(`At ${this.#clock()}`);
  }

  act(deed: Deed): void {
    if (!this.session.act(deed)) {
      this.problem.value = 'This session has as many actions as a link can hold. Start a new one.';
      return;
    }
    this.#changed(`${describeDeed(deed)}.`);
  }

  setSpeed(virtualMs: number): void {
    this.speed.value = virtualMs;
    for (const draw of this.onFrame) draw();
  }

  select(id: number | undefined): void {
    this.selected.value = id;
    const { datagram } = this;
    if (datagram === undefined) this.#changed('Nothing is selected');
    else {
      const { label } = this.explainer.explain(datagram);
      this.#changed(`Datagram ${datagram.id}: ${label}, ${routeWords(datagram)}, ${fateWords(datagram)}`);
    }
  }

  /** The whole address of what is shown now. */
  get address(): string {
    const { href } = this.#window.location;
    return `${href.split('#')[0]}#${writePlan(this.session.plan)}`;
  }

  // ---- inside -----------------------------------------------------------------------------------------------

  #openAddress(): void {
    const text = decoded(this.#window.location.hash.slice(1));
    if (text === this.#written) return;
    const name = /^experiment=([a-z-]+)$/.exec(text)?.[1];
    if (text === '' || name !== undefined) {
      this.openExperiment(name ?? EXPERIMENTS[0]?.name);
      return;
    }
    const read = readPlan(text);
    if ('problem' in read) {
      this.open(EMPTY_PLAN);
      this.problem.value = `This link cannot be opened: it ${read.problem}. Here is a new session instead.`;
      return;
    }
    this.open(read.plan);
    const { digest } = read.plan;
    if (digest !== undefined && digest !== this.run.world.digest.value) {
      this.problem.value =
        'This link was made with another version of the protocol, so what you see may differ from what its author saw.';
    }
  }
  /** What this page has written there last. */
  #written: string | undefined;

  #frame(at: number): void {
    if (!this.isPlaying.value) return;
    const elapsed = Math.min(MAX_FRAME_MS, at - this.#frameAt);
    this.#frameAt = at;
    this.#advance(Math.max(0, (elapsed / 1000) * this.speed.value));
    for (const draw of this.onFrame) draw();
    if (this.run.isOver) {
      this.problem.value = this.run.problem ?? 'Virtual time ends here. Go back, or start a new session.';
      this.pause();
      return;
    }
    if (at - this.#refreshedAt >= REFRESH_MS) {
      this.#refreshedAt = at;
      this.version.value++;
    }
    this.#window.requestAnimationFrame((next) => this.#frame(next));
  }

  /** Lets virtual time pass. If the frame takes too long, less of it passes. */
  #advance(ms: number): void {
    const { performance } = this.#window;
    const startedAt = performance.now();
    for (let slice = 0; slice < SLICES && performance.now() - startedAt < BUDGET_MS; slice++) {
      this.session.advance(this.now + ms / SLICES);
    }
  }

  #changed(spoken: string): void {
    // What is shown is always a moment that a link can state.
    this.session.settle();
    this.#furthest = Math.max(this.#furthest, this.now);
    if (spoken !== '') this.spoken.value = spoken;
    this.version.value++;
    for (const draw of this.onFrame) draw();
    this.#window.clearTimeout(this.#linkTimer);
    this.#linkTimer = this.#window.setTimeout(() => this.#writeAddress(), LINK_DELAY_MS);
  }

  /** Keeps the address up to date, so that reloading the page shows the same. */
  #writeAddress(): void {
    if (this.isPlaying.value) return;
    this.#written = writePlan(this.session.plan);
    this.#window.history.replaceState(null, '', `#${this.#written}`);
  }

  #clock(): string {
    return `${this.now.toFixed(1)} ms`;
  }
}

/** Some programs write `%2C` for a comma when they pass a link on. Anything that is no such text stays as it is. */
function decoded(fragment: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return fragment;
  }
}
