import { type Address, sameAddress } from '@underpass/protocol';
import { MessageKind } from '../observer/observer.js';
import type { Rule } from './rule.js';

export const addressMoves: Rule = {
  name: 'address moves',
  holds:
    'spec path 1: only the transport message with the greatest counter so far under the newest keypair that the peer has used, or a handshake message that is accepted, moves the path; path 3: without an answer to three challenges it goes back to the last proven address, and no other address gets the challenge.',
  watch(stage) {
    /** Where each challenge went first. */
    const challenges = new Map<string, Address>();
    return {
      onSent({ by, towards, to, kind, at, original, packet }) {
        if (towards === undefined || kind === MessageKind.cookieReply || original !== undefined) return;
        const path = stage.path(by, towards);
        const isProven = path.isCertain && path.mayBeProven(to);
        if (packet?.challenge !== undefined && isProven) {
          stage.report(`${by.name} sends a challenge to ${show(to)}, which is proven`);
        }
        if (packet?.challenge !== undefined) {
          const first = challenges.get(packet.challenge) ?? to;
          challenges.set(packet.challenge, first);
          if (!sameAddress(first, to))
            stage.report(`${by.name} sends the challenge of ${show(first)} to ${show(to)}`);
        }
        if (path.address === undefined || sameAddress(to, path.address)) return;
        if (path.mayBeProven(to) && path.mayGoBack(at)) return;
        stage.report(
          `${by.name} sends to ${show(to)}; ${towards} is at ${show(path.address)}, proven is ${show(path.proven)}`,
        );
      },
    };
  },
};

function show(address: Address | undefined): string {
  return address === undefined ? 'nowhere' : `${address.address}:${address.port}`;
}
