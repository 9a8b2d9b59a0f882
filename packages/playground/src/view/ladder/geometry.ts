/** Where datagrams are drawn. Time runs down, the client is at the left and the relay at the right, so a datagram is a
 *  slanted line from its sender to its end. */
import type { Datagram } from '../../model/history.js';

export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly now: number;
  /** How many virtual ms the height of the ladder shows. */
  readonly spanMs: number;
}

/** Where "now" is at the lowest, as a share of the height: below it is what has not happened yet. */
const NOW_SHARE = 0.84;
/** Where time begins, from the upper edge. */
const TOP = 26;
/** How far the axes are from the edges. */
export const AXIS_INSET = 26;
/** How close a click has to be, in CSS pixels. */
const HIT_DISTANCE = 10;

export interface Line {
  readonly x0: number;
  readonly y0: number;
  /** Where it is now, or where it ended. */
  readonly x1: number;
  readonly y1: number;
  /** Where it will arrive, if it is under way. */
  readonly x2: number;
  readonly y2: number;
  /** When it left the queue: it waits from y0 to here. */
  readonly yDeparture: number;
  readonly isUnderWay: boolean;
}

/** "Now" moves down from the beginning of time, and then stays while time scrolls by. */
function yOfNow({ height, now, spanMs }: Frame): number {
  return Math.min(height * NOW_SHARE, TOP + (now * height) / spanMs);
}

export function yOf(frame: Frame, at: number): number {
  return yOfNow(frame) + ((at - frame.now) * frame.height) / frame.spanMs;
}

/** The moment that is drawn at this height. */
export function timeAt(frame: Frame, y: number): number {
  return frame.now + ((y - yOfNow(frame)) * frame.spanMs) / frame.height;
}

/** What decides where a datagram is drawn. */
export type Journey = Pick<Datagram, 'target' | 'sentAt' | 'departsAt' | 'endsAt' | 'reach'>;

export function lineOf(frame: Frame, datagram: Journey): Line {
  const { target, sentAt, departsAt, endsAt, reach } = datagram;
  const [left, right] = [AXIS_INSET, frame.width - AXIS_INSET];
  const [x0, far] = target === 'relay' ? [left, right] : [right, left];
  const x2 = x0 + reach * (far - x0);
  const leaves = Math.min(departsAt, endsAt);
  const isUnderWay = endsAt > frame.now;
  const span = endsAt - leaves;
  const done = isUnderWay ? (span > 0 ? Math.max(0, (frame.now - leaves) / span) : 0) : 1;
  return {
    x0,
    y0: yOf(frame, sentAt),
    x1: x0 + done * (x2 - x0),
    y1: yOf(frame, isUnderWay ? frame.now : endsAt),
    x2,
    y2: yOf(frame, endsAt),
    yDeparture: yOf(frame, Math.min(leaves, frame.now)),
    isUnderWay,
  };
}

/** The datagrams that may be seen: those that end after the upper edge. Ids rise with the time of sending.
 *  @param longestMs  no datagram takes longer */
export function visible(
  frame: Frame,
  datagrams: readonly Datagram[],
  longestMs: number,
): readonly Datagram[] {
  const from = timeAt(frame, 0) - longestMs;
  let [low, high] = [0, datagrams.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((datagrams[middle] as Datagram).sentAt < from) low = middle + 1;
    else high = middle;
  }
  return datagrams.slice(low);
}

/** The datagram closest to a point, if one is close enough. */
export function hit(
  frame: Frame,
  datagrams: readonly Datagram[],
  x: number,
  y: number,
): Datagram | undefined {
  let best: Datagram | undefined;
  let bestDistance = HIT_DISTANCE;
  for (const datagram of datagrams) {
    const { x0, yDeparture, x1, y1 } = lineOf(frame, datagram);
    const distance = distanceTo(x0, yDeparture, x1, y1, x, y);
    if (distance < bestDistance) [best, bestDistance] = [datagram, distance];
  }
  return best;
}

function distanceTo(x0: number, y0: number, x1: number, y1: number, x: number, y: number): number {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const length = dx * dx + dy * dy;
  const along = length === 0 ? 0 : Math.max(0, Math.min(1, ((x - x0) * dx + (y - y0) * dy) / length));
  return Math.hypot(x - x0 - along * dx, y - y0 - along * dy);
}
