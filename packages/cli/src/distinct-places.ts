/** Finds two forwards that would listen at the same place, before the system calls one of them another program. */
import type { Forward, ListenPlace } from '@underpass/forward/spec';
import { usageError } from './cli-error.js';

/** @throws CliError that names both forwards */
export function requireDistinctPlaces(forwards: readonly Forward[]): void {
  const seen = new Map<string, Forward>();
  for (const forward of forwards) {
    if ('port' in forward.place && forward.place.port === 0) continue; // the system chooses another one each time
    const key = `${networkOf(forward)} ${keyOf(forward.place)}`;
    const other = seen.get(key);
    if (other !== undefined) {
      throw usageError(
        `two forwards listen at the same place: ${other.text} and ${forward.text}`,
        'change one of them, or leave it out',
      );
    }
    seen.set(key, forward);
  }
}

/** TCP and UDP ports are apart, and those of the relay are another machine's. */
function networkOf({ kind }: Forward): string {
  return kind === 'udp' || kind === 'reverse' ? kind : 'tcp';
}

function keyOf(place: ListenPlace): string {
  if ('path' in place) return place.path;
  const { bind, port } = place;
  return `${bind.kind === 'host' ? bind.host : bind.kind} ${port}`;
}
