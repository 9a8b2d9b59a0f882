import { RoamingPath, Session, WireGuard } from '@underpass/protocol';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { countingRandom, SUITE } from './session-pair.js';

const IDLE_PEERS = 1_000;

function crowd(): { core: WireGuard; busy: Session } {
  const x25519 = vi.fn(SUITE.x25519);
  const core = new WireGuard({
    privateKey: countingRandom(1)(32),
    suite: { ...SUITE, x25519 },
    random: countingRandom(2),
    unixTimeMs: () => 1_700_000_000_000,
  });
  for (let i = 0; i < IDLE_PEERS; i++)
    addPeer(
      core,
      new Uint8Array(32)
        .fill(7)
        .fill(i, 0, 1)
        .fill(i >>> 8, 1, 2),
    );
  const busy = addPeer(core, SUITE.x25519PublicKey(countingRandom(3)(32)));
  expect(x25519).not.toHaveBeenCalled();
  return { core, busy };
}

function addPeer(core: WireGuard, publicKey: Uint8Array): Session {
  const path = new RoamingPath({ address: '192.0.2.2', port: 2 });
  return core.addPeer({ publicKey, path }, () => undefined);
}

afterEach(() => vi.restoreAllMocks());

describe('peers that are configured and idle', () => {
  it('are never asked for anything while another peer is busy', () => {
    const { core, busy } = crowd();
    const looks = [
      vi.spyOn(Session.prototype, 'handleTimeout'),
      vi.spyOn(Session.prototype, 'pollTimeout'),
      vi.spyOn(Session.prototype, 'pollHandshake'),
      vi.spyOn(Session.prototype, 'pollKeepalive'),
    ];
    busy.requestHandshake(0);
    const message = new Uint8Array(148);
    for (let now = 0; now < 10_000; now += 100) {
      core.handleTimeout(now);
      while (core.pollMessage(now, message) !== undefined);
      core.pollTimeout();
    }
    for (const look of looks) for (const session of look.mock.contexts) expect(session).toBe(busy);
    expect(looks.flatMap(({ mock }) => mock.contexts).length).toBeGreaterThan(100);
  });
});
