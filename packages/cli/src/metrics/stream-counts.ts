/** Counts connections from the events of a relay or client. */
import type { RequestStatus } from '@underpass/forward';

/** The part of an event that is counted. Other events are ignored. */
export interface CountedEvent {
  readonly type: string;
  readonly status?: RequestStatus;
  readonly clean?: boolean;
}

/** How many connections were opened, refused and closed since the start: those of programs, and those of visitors of
 *  reverse forwards. */
export class StreamCounts {
  opened = 0;
  readonly refused = new Map<RequestStatus, number>();
  closed = 0;
  /** Those of `closed` that did not end with FIN in both directions. */
  broken = 0;

  onEvent({ type, status, clean }: CountedEvent): void {
    switch (type) {
      case 'stream-opened':
      case 'visitor-opened':
        this.opened++;
        return;
      case 'refused':
      case 'visitor-refused':
        if (status !== undefined) this.refused.set(status, (this.refused.get(status) ?? 0) + 1);
        return;
      case 'stream-closed':
      case 'visitor-closed':
        this.closed++;
        if (clean === false) this.broken++;
    }
  }
}
