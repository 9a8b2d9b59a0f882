/** How the text of each kind of forward is read: for the command line's options and for the control socket. */
import type { Forward, Refusal } from '@underpass/forward/spec';
import {
  parseDynamicForward,
  parseLocalForwards,
  parseReverseForwards,
  parseUdpForwards,
} from '@underpass/forward/syntax';

/** Each gives one forward, or one for each port of a range. */
export const FORWARD_PARSERS: Readonly<
  Record<Forward['kind'], (text: string) => readonly Forward[] | Refusal>
> = {
  local: parseLocalForwards,
  dynamic: (text) => {
    const parsed = parseDynamicForward(text);
    return 'reason' in parsed ? parsed : [parsed];
  },
  udp: parseUdpForwards,
  reverse: parseReverseForwards,
};

export function isForwardKind(kind: unknown): kind is Forward['kind'] {
  return typeof kind === 'string' && Object.hasOwn(FORWARD_PARSERS, kind);
}
