import { useEffect, useRef } from 'preact/hooks';
import type { Datagram } from '../../model/history.js';
import type { Lab } from '../lab.js';
import { type Frame, hit, visible } from './geometry.js';
import { type Palette, paint } from './paint.js';

/** How many real seconds the height shows: faster time is drawn smaller, so it always scrolls at the same pace. */
const SHOWN_SECONDS = 7;
const COLOURS = 'ink muted line surface handshake data control lost attacker accent'.split(' ');

/** The datagrams between the client and the relay, as a ladder diagram on a canvas. The list of datagrams beside it says
 *  the same in text. */
export function Ladder({ lab }: { readonly lab: Lab }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => (canvas.current === null ? undefined : attach(canvas.current, lab)), [lab]);
  const onClick = (event: MouseEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const frame = frameOf(lab, box.width, box.height);
    const datagram = hit(frame, shownIn(lab, frame), event.clientX - box.left, event.clientY - box.top);
    lab.select(datagram?.id);
  };
  return (
    <canvas
      ref={canvas}
      class="ladder"
      onClick={onClick}
      role="img"
      aria-label="Ladder diagram: time runs down, the client is at the left, the relay at the right, and each datagram is a line between them. The list of datagrams has the same in text."
    />
  );
}

export function frameOf(lab: Lab, width: number, height: number): Frame {
  return { width, height, now: lab.now, spanMs: lab.speed.value * SHOWN_SECONDS };
}

function shownIn(lab: Lab, frame: Frame): readonly Datagram[] {
  const { settings, history } = lab.run;
  const queueMs =
    settings.kbitPerSecond === 0 ? 0 : (8000 * settings.queueKilobytes) / settings.kbitPerSecond;
  const longestMs = 2 * (settings.delayMs + queueMs) + 1000;
  const shown = visible(frame, history.datagrams, longestMs);
  const lane = lab.lane.value;
  return lane === undefined ? shown : shown.filter((datagram) => datagram.lane === lane);
}

/** Draws in every frame, and whenever the size or the colours change. */
function attach(canvas: HTMLCanvasElement, lab: Lab): () => void {
  const context = canvas.getContext('2d') as CanvasRenderingContext2D;
  let palette = readPalette(canvas);
  let [width, height] = [0, 0];
  const draw = () => {
    if (width === 0) return;
    const frame = frameOf(lab, width, height);
    const { explainer } = lab;
    paint(context, {
      frame,
      datagrams: shownIn(lab, frame),
      selected: lab.selected.value,
      look: (datagram) => explainer.explain(datagram),
      palette,
    });
  };
  const resize = () => {
    const ratio = window.devicePixelRatio || 1;
    [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    draw();
  };
  const sizes = new ResizeObserver(resize);
  sizes.observe(canvas);
  const scheme = window.matchMedia('(prefers-color-scheme: dark)');
  const recolour = () => {
    palette = readPalette(canvas);
    draw();
  };
  scheme.addEventListener('change', recolour);
  lab.onFrame.add(draw);
  const unsubscribe = lab.version.subscribe(draw);
  return () => {
    sizes.disconnect();
    scheme.removeEventListener('change', recolour);
    lab.onFrame.delete(draw);
    unsubscribe();
  };
}

function readPalette(element: HTMLElement): Palette {
  const style = getComputedStyle(element);
  return Object.fromEntries(
    COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]),
  ) as unknown as Palette;
}
