import type { Lab } from './lab.js';

/** The keys of the page, for its help and for `onKey`. */
export const KEYS = [
  ['Space', 'play or pause'],
  ['→', 'step to the next event'],
  ['←', 'step back'],
  ['↓ ↑', 'select the next or the previous datagram'],
  ['D', 'drop the selected datagram'],
  ['Esc', 'select nothing'],
] as const;

/** Keys that the page handles, unless the focus is on something that needs them itself. */
export function onKey(lab: Lab, event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target as HTMLElement;
  if (target.closest('input, select, textarea, summary, dialog') !== null) return;
  if (event.key === ' ' && target.closest('button, a') !== null) return;
  if (!handle(lab, event.key)) return;
  event.preventDefault();
}

function handle(lab: Lab, key: string): boolean {
  switch (key) {
    case ' ':
      lab.toggle();
      return true;
    case 'ArrowRight':
      lab.step();
      return true;
    case 'ArrowLeft':
      lab.stepBack();
      return true;
    case 'ArrowDown':
    case 'ArrowUp':
      selectBeside(lab, key === 'ArrowDown' ? 1 : -1);
      return true;
    case 'd':
      if (lab.datagram?.fate !== 'under-way') return false;
      lab.act({ kind: 'drop', datagram: lab.datagram.id });
      return true;
    case 'Escape':
      lab.select(undefined);
      return true;
    default:
      return false;
  }
}

/** Selects the next or the previous datagram, or the last one if none is selected. */
function selectBeside(lab: Lab, by: 1 | -1): void {
  const { datagrams } = lab.run.history;
  const selected = lab.selected.value;
  const id = selected === undefined ? datagrams.length : selected + by;
  if (id >= 1 && id <= datagrams.length) lab.select(id);
}
