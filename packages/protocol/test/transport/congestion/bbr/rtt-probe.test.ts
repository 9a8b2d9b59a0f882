import { describe, expect, it } from 'vitest';
import { PathModel } from '../../../../src/transport/congestion/bbr/path-model.js';
import { RttProbe } from '../../../../src/transport/congestion/bbr/rtt-probe.js';
import { emptyAckSample } from '../../../../src/transport/congestion/controller.js';

const WINDOW_BYTES = 4_800;

/** A probe in ProbeRTT, with the model that counts its rounds. Each ACK is of a packet that was sent when `priorBytes`
 *  had been delivered. */
class Probing {
  readonly model = new PathModel();
  readonly probe = new RttProbe();
  delivered = 0;

  constructor() {
    this.probe.start();
  }

  /** @returns whether ProbeRTT is over */
  acknowledge(now: number, priorBytes: number, bytesInFlight = WINDOW_BYTES): boolean {
    this.delivered += 1_200;
    const sample = {
      ...emptyAckSample(),
      now,
      bytesInFlight,
      priorDeliveredBytes: priorBytes,
      totalDeliveredBytes: this.delivered,
    };
    this.model.updateRound(sample);
    return this.probe.onAck(sample, WINDOW_BYTES, this.model);
  }
}

describe('ProbeRTT (draft-ietf-ccwg-bbr §5.3.4)', () => {
  it('lasts for a whole round, though 200 ms are over before', () => {
    const path = new Probing();
    expect(path.acknowledge(1_000, 0)).toBe(false);
    const smallAt = path.delivered;
    // Packets that were sent before the flight was small, of a round trip of a second.
    expect(path.acknowledge(1_201, 0)).toBe(false);
    expect(path.acknowledge(1_900, 0)).toBe(false);
    expect(path.acknowledge(2_000, smallAt)).toBe(true);
  });

  it('lasts for more than 200 ms, though rounds are shorter', () => {
    const path = new Probing();
    path.acknowledge(1_000, 0);
    for (const now of [1_050, 1_100, 1_150, 1_200]) {
      expect(path.acknowledge(now, path.delivered)).toBe(false);
      expect(path.probe.isOver(now)).toBe(false);
    }
    expect(path.acknowledge(1_201, path.delivered)).toBe(true);
  });

  it('counts neither time nor rounds while more is in flight than it permits', () => {
    const path = new Probing();
    expect(path.acknowledge(1_000, 0, WINDOW_BYTES + 1)).toBe(false);
    expect(path.acknowledge(1_300, path.delivered, WINDOW_BYTES + 1)).toBe(false);
    expect(path.probe.isOver(1_600)).toBe(false);
    expect(path.acknowledge(1_600, path.delivered)).toBe(false);
    expect(path.acknowledge(1_850, path.delivered)).toBe(true);
  });

  it('starts over each time that the state is entered', () => {
    const path = new Probing();
    path.acknowledge(1_000, 0);
    expect(path.acknowledge(1_300, path.delivered)).toBe(true);
    path.probe.start();
    expect(path.acknowledge(7_000, path.delivered)).toBe(false);
    expect(path.probe.isOver(7_200)).toBe(false);
    expect(path.probe.isOver(7_201)).toBe(true);
  });

  it('is not due after a pause in sending, until something was delivered', () => {
    const path = new Probing();
    path.model.isProbeRttDue = true;
    expect(path.probe.isDue(path.model)).toBe(true);
    path.probe.onSentAfterIdle();
    expect(path.probe.isDue(path.model)).toBe(false);
    path.probe.onDelivered();
    expect(path.probe.isDue(path.model)).toBe(true);
    path.model.isProbeRttDue = false;
    expect(path.probe.isDue(path.model)).toBe(false);
  });
});
