import { signal } from '@preact/signals';
import type { Snapshot } from '@underpass/trace';
import { RETRY_MS } from './limits.js';
import { LiveHistory } from './live-history.js';
import { readSnapshots } from './read-snapshots.js';

const LOST = 'The process does not answer. It may have ended; this page keeps trying.';

/** What the page shows: the latest snapshot of the chosen peer, and what came before.
 *
 *  It asks for snapshots only while the page is visible and not paused, so that the process does nothing for a page that
 *  nobody looks at. */
export class Feed {
  readonly snapshot = signal<Snapshot | undefined>(undefined);
  /** The peer that the reader chose; undefined for the first one. */
  readonly chosen = signal<string | undefined>(undefined);
  readonly isPaused = signal(false);
  /** Why there are no snapshots. */
  readonly problem = signal<string | undefined>(undefined);
  history = new LiveHistory();
  readonly #page: Window;
  #request: AbortController | undefined;
  #retry = 0;

  constructor(page: Window) {
    this.#page = page;
    page.document.addEventListener('visibilitychange', () => this.#follow());
    this.#follow();
  }

  choose(peer: string): void {
    this.#end();
    this.chosen.value = peer;
    this.history = new LiveHistory();
    this.#follow();
  }

  togglePause(): void {
    this.isPaused.value = !this.isPaused.value;
    this.#follow();
  }

  #follow(): void {
    const isWanted = !this.isPaused.value && this.#page.document.visibilityState === 'visible';
    if (!isWanted) this.#end();
    else if (this.#request === undefined) void this.#read();
  }

  #end(): void {
    this.#page.clearTimeout(this.#retry);
    this.#request?.abort();
    this.#request = undefined;
    this.history.interrupt();
  }

  async #read(): Promise<void> {
    const request = new AbortController();
    this.#request = request;
    const { value: chosen } = this.chosen;
    const query = chosen === undefined ? '' : `?peer=${encodeURIComponent(chosen)}`;
    let problem = LOST;
    try {
      const response = await fetch(`snapshots${query}`, { signal: request.signal });
      if (response.ok && response.body !== null) {
        await readSnapshots(response.body, (snapshot) => this.#take(snapshot));
      } else problem = sentence(await response.text());
    } catch {
      // The process ended, or this page did not want more.
    }
    if (this.#request !== request) return;
    this.problem.value = problem;
    this.history.interrupt();
    this.#retry = this.#page.setTimeout(() => {
      this.#request = undefined;
      this.#follow();
    }, RETRY_MS);
  }

  #take(snapshot: Snapshot): void {
    // The reader stays with a peer, even if another becomes the first.
    if (this.chosen.value === undefined && snapshot.peer !== undefined) {
      this.chosen.value = snapshot.peer.name;
    }
    this.problem.value = undefined;
    this.history.take(snapshot);
    this.snapshot.value = snapshot;
  }
}

/** The server's lines begin in lower case, like all messages of the program. */
function sentence(line: string): string {
  const text = line.trim();
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
