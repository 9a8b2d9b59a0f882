/** ProbeRTT (draft-ietf-ccwg-bbr §5.3.4): keeps the window small until the queue has been empty for 200 ms and one round.
 *
 *  `Bbr` enters and leaves the state; this class says when. Times in milliseconds. */
import type { AckSample } from '../controller.js';
import type { PathModel } from './path-model.js';

const DURATION_MS = 200;

export class RttProbe {
  /** Undefined while more is in flight than the state allows. */
  #endsAt: number | undefined;
  #hasSeenRound = false;
  /** Nothing was in flight when we last sent: the idle time has emptied the queue already. */
  #isAfterIdle = false;

  isDue(model: PathModel): boolean {
    return model.isProbeRttDue && !this.#isAfterIdle;
  }

  start(): void {
    this.#endsAt = undefined;
  }

  onSentAfterIdle(): void {
    this.#isAfterIdle = true;
  }

  onDelivered(): void {
    this.#isAfterIdle = false;
  }

  /** @param windowBytes what may be in flight in this state
   *  @returns true when it is over */
  onAck(
    { now, bytesInFlight, totalDeliveredBytes }: AckSample,
    windowBytes: number,
    model: PathModel,
  ): boolean {
    if (this.#endsAt === undefined) {
      if (bytesInFlight > windowBytes) return false;
      this.#endsAt = now + DURATION_MS;
      this.#hasSeenRound = false;
      model.startRound(totalDeliveredBytes);
      return false;
    }
    if (model.isRoundStart) this.#hasSeenRound = true;
    return this.#hasSeenRound && this.isOver(now);
  }

  isOver(now: number): boolean {
    return this.#endsAt !== undefined && now > this.#endsAt;
  }
}
