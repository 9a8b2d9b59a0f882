import { type Address, sameAddress } from '@underpass/protocol';
import { MessageKind, type ObservedProcess } from '../observer/observer.js';
import type { NodeName } from '../simulation/world.js';
import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';

const LIMIT = 3;
/** spec mtu 1.2, session 6.5 */
const BASE_BYTES = 1_152;
const PADDING_BYTES = 16;

interface Account {
  readonly address: Address;
  received: number;
  sent: number;
  /** It counts bytes from a time at which the address may have been proven. */
  isUnsure: boolean;
}

export const amplification: Rule = {
  name: 'amplification',
  holds:
    'spec path 2: to an address that is not proven at most 3 times the bytes received from it are sent, until it is proven; path 3: a packet with a challenge is padded to the base size, as far as that allows.',
  watch(stage) {
    /** Bytes from and to each unproven address. */
    const ledgers = new PerPeer(() => new Map<string, Account>());
    /** What came from the address on trial and went to it since its trial began. A sender need not know more. */
    const trials = new PerPeer(() => ({ address: undefined as Address | undefined, received: 0, sent: 0 }));
    const accountOf = (by: ObservedProcess, peer: NodeName, address: Address): Account => {
      const ledger = ledgers.of(by, peer);
      const account = ledger.get(keyOf(address)) ?? { address, received: 0, sent: 0, isUnsure: false };
      ledger.set(keyOf(address), account);
      return account;
    };
    return {
      onArrived({ by, sent, from, bytes, isNewest }) {
        if (sent === undefined) return;
        const path = stage.path(by, sent.by.node);
        const { proven } = path;
        const trial = trials.of(by, sent.by.node);
        if (!path.isCertain || !path.isOnTrial) trial.address = undefined;
        else if (!sameAddress(path.address, trial.address))
          Object.assign(trial, { address: path.address, received: 0, sent: 0 });
        if (isNewest && sameAddress(from, trial.address)) trial.received += bytes;
        const ledger = ledgers.of(by, sent.by.node);
        if (ledger.size > 0 && path.isCertain && proven !== undefined) ledger.delete(keyOf(proven));
        if (path.isCertain && path.mayBeProven(from)) return;
        const account = accountOf(by, sent.by.node, from);
        account.received += bytes;
        account.isUnsure ||= path.mayBeProven(from);
      },
      onSent({ by, towards, to, bytes, kind, original, packet }) {
        // A farewell that is sent again goes to an address that was proven then: the rule of farewells sees to that.
        if (towards === undefined || kind === MessageKind.cookieReply || original !== undefined) return;
        const path = stage.path(by, towards);
        if (path.isCertain && path.mayBeProven(to)) return;
        const account = accountOf(by, towards, to);
        const trial = trials.of(by, towards);
        const allowed = LIMIT * trial.received - trial.sent;
        const full = Math.min(BASE_BYTES, Math.floor(allowed / PADDING_BYTES) * PADDING_BYTES);
        if (packet?.challenge !== undefined && sameAddress(to, trial.address)) {
          if (bytes < full)
            stage.report(`${by.name} sent a challenge in ${bytes} bytes, ${full} were possible`);
        }
        trial.sent += bytes;
        account.sent += bytes;
        account.isUnsure ||= path.mayBeProven(to);
        if (path.mayBeProven(to) || account.sent <= LIMIT * account.received) return;
        stage.report(
          `${by.name} sent ${account.sent} bytes to ${to.address}:${to.port}, unproven, for ${account.received} received from it`,
        );
      },
      onTurn(process) {
        for (const peer of process.peers) {
          const path = stage.path(process, peer);
          if (!path.isCertain) continue;
          const ledger = ledgers.of(process, peer);
          for (const [key, account] of ledger) {
            if (!account.isUnsure) continue;
            account.isUnsure = false;
            // Only the account of an address that turned out to be on trial all the time still counts.
            if (!path.isOnTrial || !sameAddress(account.address, path.address)) ledger.delete(key);
          }
        }
      },
    };
  },
};

function keyOf({ address, port }: Address): string {
  return `${address} ${port}`;
}
