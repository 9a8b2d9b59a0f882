/** Step 7: a link that everybody shares, in virtual time. It sends 1000 packets a second, one after the other; those that come
 *  faster wait in a queue, and those that find it full are lost. */

export interface Controller {
  readonly window: number;
  handleAck(sentAtMs: number): void;
  handleLoss(sentAtMs: number, nowMs: number): void;
}

export interface Conditions {
  /** Each always has something to send. */
  readonly flows: readonly Controller[];
  /** When the n-th flow begins. */
  readonly startsMs?: readonly number[];
  /** Packets that may wait. */
  readonly queue: number;
  /** The probability with which a packet is lost after the link, whatever the queue. */
  readonly loss: number;
  readonly seconds: number;
  /** Only from here on is counted. */
  readonly countFromMs?: number;
  readonly seed?: number;
  /** Called at each acknowledgement of the first flow. */
  readonly watch?: (nowMs: number, window: number) => void;
}

export interface FlowResult {
  readonly delivered: number;
  readonly lost: number;
  readonly medianQueueingMs: number;
}

/** Without the queue. */
export const ROUND_TRIP_MS = 50;
const SERVICE_MS = 1;

interface Event {
  readonly atMs: number;
  readonly happen: () => void;
}

export function runBottleneck(conditions: Conditions): FlowResult[] {
  const { flows, startsMs = [], queue, loss, seconds, countFromMs = 0, seed = 1, watch } = conditions;
  const random = seededRandom(seed);
  const events = new EventQueue();
  let nowMs = 0;
  let linkFreeAtMs = 0;
  const inFlight = flows.map(() => 0);
  const results = flows.map(() => ({ delivered: 0, lost: 0, queueing: [] as number[] }));

  const send = (flow: number): void => {
    const controller = flows[flow] as Controller;
    const result = results[flow] as (typeof results)[number];
    while ((inFlight[flow] as number) < Math.floor(controller.window)) {
      (inFlight[flow] as number)++;
      const sentAtMs = nowMs;
      const waitMs = Math.max(linkFreeAtMs - nowMs, 0);
      const isDropped = waitMs / SERVICE_MS > queue;
      if (!isDropped) linkFreeAtMs = nowMs + waitMs + SERVICE_MS;
      const isLost = isDropped || random() < loss;
      // A loss is noticed when later packets are acknowledged: about when its own acknowledgement would have come.
      const knownAtMs = nowMs + (isDropped ? queue * SERVICE_MS : waitMs) + SERVICE_MS + ROUND_TRIP_MS;
      events.add(knownAtMs, () => {
        (inFlight[flow] as number)--;
        const counts = nowMs >= countFromMs;
        if (isLost) {
          controller.handleLoss(sentAtMs, nowMs);
          if (counts) result.lost++;
        } else {
          controller.handleAck(sentAtMs);
          if (counts) result.delivered++;
          if (nowMs > seconds * 500) result.queueing.push(waitMs);
          if (flow === 0) watch?.(nowMs, controller.window);
        }
        send(flow);
      });
    }
  };
  flows.forEach((_, flow) => {
    events.add(startsMs[flow] ?? 0, () => send(flow));
  });
  for (let event = events.next(); event !== undefined && event.atMs < seconds * 1000; event = events.next()) {
    nowMs = event.atMs;
    event.happen();
  }
  return results.map(({ delivered, lost, queueing }) => ({
    delivered,
    lost,
    medianQueueingMs: median(queueing),
  }));
}

/** A binary heap: the earliest event first. */
class EventQueue {
  #heap: Event[] = [];

  add(atMs: number, happen: () => void): void {
    const heap = this.#heap;
    let at = heap.push({ atMs, happen }) - 1;
    for (let up = (at - 1) >> 1; at > 0 && (heap[up] as Event).atMs > atMs; up = (at - 1) >> 1) {
      [heap[at], heap[up]] = [heap[up] as Event, heap[at] as Event];
      at = up;
    }
  }

  next(): Event | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    heap[0] = last;
    for (let at = 0; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && (heap[child] as Event).atMs < (heap[least] as Event).atMs) least = child;
      }
      if (least === at) return first;
      [heap[at], heap[least]] = [heap[least] as Event, heap[at] as Event];
      at = least;
    }
  }
}

function median(values: number[]): number {
  values.sort((a, b) => a - b);
  return values[values.length >> 1] ?? 0;
}

function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
