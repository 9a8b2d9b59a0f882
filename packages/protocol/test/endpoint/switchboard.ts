/** Endpoints that reach each other by address, in virtual time. Each is polled as soon as it asks for it. */
import {
  type Address,
  Endpoint,
  type EndpointEvent,
  type EndpointOptions,
  TransmitBatch,
} from '@underpass/protocol';
import { createInsecureTestSuite, SeededRandom } from '@underpass/testkit';
import { expect } from 'vitest';

const MAX_STEPS = 20_000;

export interface Line {
  readonly endpoint: Endpoint;
  /** Where the endpoint is. A test may change this. */
  address: Address;
  /** What the endpoint reported, except events of streams. */
  readonly events: Exclude<EndpointEvent, { type: `stream-${string}` }>[];
  /** While this is false, everything sent to the endpoint is lost. */
  isPlugged: boolean;
}

export class Switchboard {
  now = 0;
  readonly suite = createInsecureTestSuite();
  readonly #random = new SeededRandom(1);
  readonly #lines: Line[] = [];
  readonly #batch = new TransmitBatch();

  plug(address: Address, options: Pick<EndpointOptions, 'role' | 'privateKey'>): Line {
    const endpoint = new Endpoint({
      ...options,
      suite: this.suite,
      random: (length) => this.#random.bytes(length),
      unixTimeMs: () => 1_700_000_000_000 + Math.floor(this.now),
    });
    const line: Line = { endpoint, address, events: [], isPlugged: true };
    this.#lines.push(line);
    return line;
  }

  /** Lets time pass. */
  run(ms: number): void {
    const end = this.now + ms;
    for (let step = 0; ; step++) {
      expect(step).toBeLessThan(MAX_STEPS);
      this.#settle();
      const next = Math.min(...this.#lines.map(({ endpoint }) => endpoint.pollTimeout()?.at ?? Infinity));
      if (next > end) break;
      this.now = Math.max(this.now + 0.1, next);
      for (const { endpoint } of this.#lines) endpoint.handleTimeout(this.now);
    }
    this.now = end;
  }

  /** Polls and delivers until no endpoint has anything to send. */
  #settle(): void {
    for (let sent = 1, rounds = 0; sent > 0; rounds++) {
      expect(rounds).toBeLessThan(MAX_STEPS);
      sent = 0;
      for (const line of this.#lines) {
        for (let event = line.endpoint.pollEvent(); event !== undefined; event = line.endpoint.pollEvent()) {
          if (!event.type.startsWith('stream-')) line.events.push(event as Line['events'][number]);
        }
        if (!line.endpoint.pollTransmit(this.now, this.#batch)) continue;
        sent++;
        this.#deliver(line.address);
      }
    }
  }

  #deliver(from: Address): void {
    const { buffer, lengthBytes, segmentBytes, to } = this.#batch;
    const line = this.#lines.findLast(({ address }) => address.address === to?.address);
    if (line?.isPlugged !== true) return;
    for (let at = 0; at < lengthBytes; at += segmentBytes) {
      line.endpoint.handleDatagram(
        this.now,
        Buffer.from(buffer.subarray(at, Math.min(at + segmentBytes, lengthBytes))),
        from,
      );
    }
  }
}
