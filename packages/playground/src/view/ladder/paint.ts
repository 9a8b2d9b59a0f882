import type { Look } from '@underpass/trace';
import type { Datagram } from '../../model/history.js';
import { AXIS_INSET, type Frame, type Line, lineOf, timeAt, yOf } from './geometry.js';

/** The colours of the page, which follow its scheme. */
export interface Palette {
  readonly ink: string;
  readonly muted: string;
  readonly line: string;
  readonly surface: string;
  readonly handshake: string;
  readonly data: string;
  readonly control: string;
  readonly lost: string;
  readonly attacker: string;
  readonly accent: string;
}

export interface Picture {
  readonly frame: Frame;
  readonly datagrams: readonly Datagram[];
  readonly selected: number | undefined;
  readonly look: (datagram: Datagram) => { readonly look: Look; readonly label: string };
  readonly palette: Palette;
}

/** Above so many lines, they are drawn thinner and without labels. */
const CROWDED = 140;
const MIN_OPACITY = 0.08;
/** How much room a label needs. */
const LABEL_HEIGHT = 15;
const MIN_TICK_PIXELS = 64;
const FONT = '11px ui-sans-serif, system-ui, sans-serif';
const NUMBERS_FONT = '10px ui-monospace, monospace';

export function paint(context: CanvasRenderingContext2D, picture: Picture): void {
  const { frame, palette } = picture;
  context.clearRect(0, 0, frame.width, frame.height);
  paintGrid(context, frame, palette);
  const lines = picture.datagrams.map((datagram) => ({ datagram, line: lineOf(frame, datagram) }));
  const shown = lines.filter(({ line }) => Math.max(line.y1, line.y2, line.y0) >= 0);
  // The more lines there are, the fainter is each.
  const density = Math.max(1, shown.length / CROWDED);
  const isCrowded = density > 1;
  for (const { datagram, line } of shown) {
    if (datagram.id !== picture.selected) paintDatagram(context, picture, datagram, line, density);
  }
  if (!isCrowded) paintLabels(context, picture, shown);
  const selected = shown.find(({ datagram }) => datagram.id === picture.selected);
  if (selected !== undefined) paintSelected(context, picture, selected.datagram, selected.line);
}

function paintGrid(context: CanvasRenderingContext2D, frame: Frame, palette: Palette): void {
  const { width, height, now } = frame;
  const step = niceStep((frame.spanMs * MIN_TICK_PIXELS) / height);
  context.lineWidth = 1;
  context.strokeStyle = palette.line;
  context.fillStyle = palette.muted;
  context.font = NUMBERS_FONT;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  const last = timeAt(frame, height);
  for (let at = Math.max(0, Math.ceil(timeAt(frame, 0) / step) * step); at <= last; at += step) {
    const y = Math.round(yOf(frame, at)) + 0.5;
    stroke(context, AXIS_INSET, y, width - AXIS_INSET, y);
    if (Math.abs(at - now) * (height / frame.spanMs) > 14) {
      const text = step >= 1000 ? `${at / 1000} s` : `${Number(at.toFixed(2))} ms`;
      const room = context.measureText(text).width / 2 + 5;
      context.clearRect(width / 2 - room, y - 7, 2 * room, 14);
      context.fillText(text, width / 2, y);
    }
  }
  context.strokeStyle = palette.muted;
  context.lineWidth = 2;
  for (const x of [AXIS_INSET, width - AXIS_INSET]) stroke(context, x, Math.max(0, yOf(frame, 0)), x, height);
  const y = Math.round(yOf(frame, now)) + 0.5;
  context.strokeStyle = palette.accent;
  context.lineWidth = 1;
  context.setLineDash([2, 3]);
  stroke(context, 4, y, width - 4, y);
  context.setLineDash([]);
  context.fillStyle = palette.accent;
  context.textAlign = 'left';
  context.fillText('now', 2, y - 7);
}

function paintDatagram(
  context: CanvasRenderingContext2D,
  { look, palette }: Picture,
  datagram: Datagram,
  line: Line,
  density: number,
): void {
  const isCrowded = density > 1;
  const opacity = Math.max(MIN_OPACITY, 0.9 / density);
  const { look: kind } = look(datagram);
  const isAttack = datagram.origin !== 'process';
  const colour = isAttack ? palette.attacker : colourOf(kind, palette);
  context.strokeStyle = colour;
  context.fillStyle = colour;
  context.globalAlpha = opacity;
  context.lineWidth = isCrowded ? 1 : kind === 'handshake' ? 2.5 : kind === 'data' ? 1.8 : 1;
  if (isAttack) context.setLineDash([2, 4]);
  else if (kind === 'keepalive') context.setLineDash([7, 4]);
  // It waits in the queue next to its sender.
  if (line.yDeparture - line.y0 > 1) {
    context.globalAlpha *= 0.5;
    stroke(context, line.x0, line.y0, line.x0 + inward(line) * 3, line.yDeparture);
    context.globalAlpha = opacity;
  }
  stroke(context, line.x0, line.yDeparture, line.x1, line.y1);
  context.setLineDash([]);
  if (line.isUnderWay) {
    context.globalAlpha = 0.18 * opacity;
    context.lineWidth = 1;
    stroke(context, line.x1, line.y1, line.x2, line.y2);
    context.globalAlpha = 1;
    dot(context, line.x1, line.y1, isCrowded ? 2.5 : 4, kind === 'control' || kind === 'keepalive');
  } else if (datagram.fate !== 'delivered' || datagram.refused !== undefined) {
    context.globalAlpha = 1;
    context.strokeStyle = palette.lost;
    cross(
      context,
      line.x1 - (datagram.refused === undefined ? 0 : inward(line) * -6),
      line.y1,
      isCrowded ? 3 : 4.5,
    );
  } else if (!isCrowded) arrow(context, line);
  context.globalAlpha = 1;
}

/** 1 if it goes to the right, -1 if it goes to the left. */
function inward({ x0, x2 }: Line): number {
  return x2 >= x0 ? 1 : -1;
}

function paintSelected(
  context: CanvasRenderingContext2D,
  picture: Picture,
  datagram: Datagram,
  line: Line,
): void {
  context.strokeStyle = picture.palette.accent;
  context.globalAlpha = 0.3;
  context.lineWidth = 9;
  context.lineCap = 'round';
  stroke(context, line.x0, line.yDeparture, line.x1, line.y1);
  context.lineCap = 'butt';
  context.globalAlpha = 1;
  paintDatagram(context, picture, datagram, line, 1);
}

/** Writes what is inside along the lines, where there is room for it. */
function paintLabels(
  context: CanvasRenderingContext2D,
  { look, palette, frame }: Picture,
  lines: readonly { readonly datagram: Datagram; readonly line: Line }[],
): void {
  context.font = FONT;
  context.textBaseline = 'alphabetic';
  const taken = { relay: Number.NEGATIVE_INFINITY, client: Number.NEGATIVE_INFINITY };
  for (const { datagram, line } of lines) {
    const { target } = datagram;
    if (line.yDeparture - taken[target] < LABEL_HEIGHT || line.yDeparture < 12) continue;
    taken[target] = line.yDeparture;
    const slope = Math.atan2(line.y2 - line.yDeparture, Math.abs(line.x2 - line.x0));
    // Steep lines have their label beside them.
    const angle = slope > 1 ? 0 : slope * inward(line);
    const text = `${datagram.id} ${look(datagram).label}`;
    context.save();
    context.translate(line.x0 + inward(line) * 8, line.yDeparture);
    context.rotate(angle);
    context.textAlign = inward(line) > 0 ? 'left' : 'right';
    const room = Math.hypot(line.x2 - line.x0, line.y2 - line.yDeparture) * 0.5;
    context.lineWidth = 3;
    context.strokeStyle = palette.surface;
    context.strokeText(text, 0, -4, Math.max(60, room, frame.width / 3));
    context.fillStyle = palette.ink;
    context.fillText(text, 0, -4, Math.max(60, room, frame.width / 3));
    context.restore();
  }
}

function colourOf(look: Look, palette: Palette): string {
  if (look === 'handshake') return palette.handshake;
  return look === 'data' ? palette.data : palette.control;
}

function stroke(context: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

function dot(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  radius: number,
  isHollow: boolean,
): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  if (isHollow) {
    context.lineWidth = 1.5;
    context.stroke();
  } else context.fill();
}

function cross(context: CanvasRenderingContext2D, x: number, y: number, arm: number): void {
  context.lineWidth = 2;
  stroke(context, x - arm, y - arm, x + arm, y + arm);
  stroke(context, x - arm, y + arm, x + arm, y - arm);
}

function arrow(context: CanvasRenderingContext2D, { x0, yDeparture, x1, y1 }: Line): void {
  const angle = Math.atan2(y1 - yDeparture, x1 - x0);
  context.beginPath();
  context.moveTo(x1, y1);
  for (const turn of [2.7, -2.7]) {
    context.lineTo(x1 + 8 * Math.cos(angle + turn), y1 + 8 * Math.sin(angle + turn));
  }
  context.fill();
}

/** 1, 2 or 5 times a power of ten, and at least `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 5].find((factor) => factor * power >= least) ?? 10) * power;
}
