import type { Look } from '@underpass/trace';
import { bytes } from '../words.js';

/** A datagram in a list. */
export interface DatagramLineModel {
  /** The number in front, if it has one. */
  readonly id: number | undefined;
  /** Whether it goes to the right of the page, and what that means. */
  readonly isToTheRight: boolean;
  readonly direction: string;
  readonly look: Look | 'attacker';
  readonly label: string;
  readonly bytes: number;
  readonly time: string;
  /** What became of it, if that is known. */
  readonly fate?: { readonly mark: string; readonly words: string };
}

/** The columns of a line. The list decides what is around them. */
export function DatagramLine({ line }: { readonly line: DatagramLineModel }) {
  const { id, isToTheRight, direction, look, label, time, fate } = line;
  return (
    <>
      <span class="mono id">{id}</span>
      <span class={`swatch look-${look}`} aria-hidden="true">
        {isToTheRight ? '→' : '←'}
      </span>
      <span class="hidden">{direction}</span>
      <span class="label">{label}</span>
      <span class="mono size">{bytes(line.bytes)}</span>
      <span class="mono time">{time}</span>
      {fate !== undefined && (
        <span class={fate.mark === '✕' ? 'mark bad' : 'mark'} title={fate.words}>
          <span aria-hidden="true">{fate.mark}</span>
          <span class="hidden">{fate.words}</span>
        </span>
      )}
    </>
  );
}
