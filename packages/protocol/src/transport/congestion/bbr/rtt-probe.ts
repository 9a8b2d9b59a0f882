import type { AckSample } from '../controller.js';
import type { PathModel } from './path-model.js';

/** How long the flight stays small. */
const DURATION_MS = 200;

/** The course of ProbeRTT, the state that empties the queue to measure the shortest round trip (draft-ietf-ccwg-bbr
 *  §5.3.4).
 *
 *  The window is small in this state. Once no more than that is in flight, the state lasts for 200 ms and at least one
 *  round. Bbr owns this object, enters and leaves the state, and asks here when. Times are in milliseconds. */
export class RttProbe {
  /** When the 200 ms are over. Undefined while more is in flight than the state permits. */
  #endsAt: number | undefined;
  /** A round has begun since the flight became small. */
  #hasSeenRound = false;
  /** We resumed sending after a pause, and nothing was delivered since. The pause has emptied our queue already. */
  #isAfterIdle = false;

  /** Whether to enter ProbeRTT now. */
  isDue(model: PathModel): boolean {
    return model.isProbeRttDue && !this.#isAfterIdle;
  }

  /** ProbeRTT begins. */
  start(): void {
    this.#endsAt = undefined;
  }

  /** A packet was sent while nothing else was in flight. */
  onSentAfterIdle(): void {
    this.#isAfterIdle = true;
  }

  /** Something was delivered. */
  onDelivered(): void {
    this.#isAfterIdle = false;
  }

  /** Handles an ACK in ProbeRTT.
   *  @param windowBytes how much may be in flight in this state
   *  @returns whether ProbeRTT is over */
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

  /** Whether the 200 ms are over. */
  isOver(now: number): boolean {
    return this.#endsAt !== undefined && now > this.#endsAt;
  }
}
