import type { ObservedProcess } from '../observer/observer.js';
import type { Turn } from '../simulation/endpoint-driver.js';
import type { Rule } from './rule.js';

const ROUNDING_MS = 1e-6;

export const wakeUps: Rule = {
  name: 'wake-ups',
  holds:
    'spec session 1: the driver calls the core at the moment that the core named, and may call it earlier; a due timer takes effect once. So an early call has no effect, and a moment that has passed is not named again after its turn.',
  watch(stage) {
    /** Processes that sent stream data in this turn. Their pacer waits until several datagrams are allowed, so an early
     *  call may already find one ready. */
    const pacers = new Set<string>();
    const check = ({ name }: ObservedProcess, { due, nextDue, datagramsSent, events }: Turn): void => {
      if (due === undefined || pacers.has(name)) return;
      const early = `${name} was called before its deadline (${due.reason} at ${due.at})`;
      if (datagramsSent > 0 || events > 0) {
        stage.report(`${early} and had ${datagramsSent} datagrams to send and ${events} events`);
      } else if (nextDue === undefined || Math.abs(nextDue.at - due.at) > ROUNDING_MS) {
        stage.report(`${early}, which then was ${nextDue?.reason} at ${nextDue?.at}`);
      }
    };
    return {
      onSent({ by, packet }) {
        if (packet?.pieces !== undefined) pacers.add(by.name);
      },
      onTurn(process, turn) {
        const { due, nextDue } = turn;
        // An arriving key enables data that waited for it; the next turn sends that data.
        const isPast = nextDue !== undefined && nextDue.at <= stage.now();
        if (isPast && nextDue.at === due?.at && nextDue.reason === due.reason) {
          stage.report(
            `${process.name} still names a moment that is past after a turn: ${nextDue.reason} at ${nextDue.at}`,
          );
        }
        if (turn.isUnasked) check(process, turn);
        pacers.delete(process.name);
      },
    };
  },
};
