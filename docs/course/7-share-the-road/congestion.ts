/** Step 7: how many packets may be in flight? Too few waste the link, too many fill the queue in front of it until it overflows,
 *  for everybody. Nobody tells the sender. NewReno guesses from losses (RFC 9002, section 7). */
import { runBottleneck } from './bottleneck.ts';

/** Below this it would take longest to get going again. */
const MIN_WINDOW = 2;
const INITIAL_WINDOW = 10;

/** Answers one question: how many packets may be in flight.
 *
 *  It starts by doubling the window every round trip (slow start). The first loss says that this was too much: the window is
 *  halved. From then on it grows by one packet a round trip (congestion avoidance), and every loss halves it again. Two senders
 *  that do this come to equal shares: halving takes more from the larger one, and growing gives the same to both. */
export class NewReno {
  window = INITIAL_WINDOW;
  #slowStartThreshold = Number.POSITIVE_INFINITY;
  #reducedAtMs = Number.NEGATIVE_INFINITY;

  /** @param sentAtMs  when the packet was sent that has now been acknowledged */
  handleAck(sentAtMs: number): void {
    // While a reduction takes effect, the acknowledgements are still those of the larger window.
    if (sentAtMs <= this.#reducedAtMs) return;
    if (this.window < this.#slowStartThreshold) this.window += 1;
    else this.window += 1 / this.window;
  }

  /** @param sentAtMs  when the lost packet was sent */
  handleLoss(sentAtMs: number, nowMs: number): void {
    // A full queue loses many packets at once. That is one event: what was sent before we slowed down says nothing new.
    if (sentAtMs <= this.#reducedAtMs) return;
    this.#reducedAtMs = nowMs;
    this.window = Math.max(this.window / 2, MIN_WINDOW);
    this.#slowStartThreshold = this.window;
  }
}

if (import.meta.filename === process.argv[1]) {
  console.log('share of a link of 1000 packets/s, round trip 50 ms, that one NewReno flow uses in 60 s\n');
  console.log('queue (packets)   lost at random:   0 %   0.1 %     1 %     5 %');
  for (const queue of [5, 50, 500]) {
    const shares = [0, 0.001, 0.01, 0.05].map((loss) => {
      const [flow] = runBottleneck({ flows: [new NewReno()], queue, loss, seconds: 60 });
      return `${(((flow?.delivered ?? 0) / 60_000) * 100).toFixed(0)} %`.padStart(8);
    });
    console.log(`${String(queue).padStart(15)}                  ${shares.join('')}`);
  }
  console.log('\nand with a queue of 500, how long packets waited in it: the median of the second half');
  const [flow] = runBottleneck({ flows: [new NewReno()], queue: 500, loss: 0, seconds: 60 });
  console.log(
    `${flow?.medianQueueingMs.toFixed(0)} ms on top of the 50: full queues are what makes a shared line feel slow`,
  );
}
