/** Checks of step 7: one and two flows on a shared link. */
import { type Check, expectThat } from '../check.ts';
import { ROUND_TRIP_MS, runBottleneck } from './bottleneck.ts';
import type { NewReno } from './congestion.ts';

interface Step {
  readonly NewReno: typeof NewReno;
}

export const checks: readonly Check<Step>[] = [
  {
    title: 'doubles the window every round trip at the start',
    run: ({ NewReno: Controller }) => {
      let after4 = 0;
      runBottleneck({
        flows: [new Controller()],
        queue: 100_000,
        loss: 0,
        seconds: 0.4,
        watch: (nowMs, window) => {
          if (nowMs < 4 * ROUND_TRIP_MS) after4 = window;
        },
      });
      expectThat(
        after4 >= 60 && after4 <= 170,
        `after four round trips the window is ${after4.toFixed(0)}; doubling leads from 10 to about 100. ` +
          'In slow start every acknowledged packet lets one more go',
      );
    },
  },
  {
    title: 'halves once for all the losses of one full queue',
    run: ({ NewReno: Controller }) => {
      const controller = new Controller();
      for (let i = 0; i < 90; i++) controller.handleAck(i);
      const before = controller.window;
      for (let sentAtMs = 100; sentAtMs < 120; sentAtMs++) controller.handleLoss(sentAtMs, 150);
      expectThat(
        Math.abs(controller.window - before / 2) < 1,
        `20 packets that had been sent together were lost, and the window went from ${before} to ${controller.window.toFixed(1)}: ` +
          'they say one thing, that the window was too large. Packets sent before the reduction must not reduce it again',
      );
      controller.handleLoss(200, 250);
      expectThat(
        controller.window < before / 2 - 1,
        'a packet that was sent after the reduction was lost, and nothing followed from it',
      );
    },
  },
  {
    title: 'never stops altogether',
    run: ({ NewReno: Controller }) => {
      const controller = new Controller();
      for (let i = 1; i <= 50; i++) controller.handleLoss(i * 100, i * 100 + 50);
      expectThat(
        controller.window >= 2,
        `after 50 losses the window is ${controller.window}: with less than two packets no acknowledgement reveals the next loss`,
      );
    },
  },
  {
    title: 'uses most of a link with a sensible queue',
    run: ({ NewReno: Controller }) => {
      const [flow] = runBottleneck({ flows: [new Controller()], queue: 50, loss: 0, seconds: 60 });
      const share = (flow?.delivered ?? 0) / 60_000;
      expectThat(
        share > 0.9,
        `it used ${(share * 100).toFixed(0)} % of the link, where NewReno reaches 97 %`,
      );
      const lossShare = (flow?.lost ?? 0) / (flow?.delivered ?? 1);
      expectThat(
        lossShare < 0.01,
        `${(lossShare * 100).toFixed(1)} % of what it sent was lost: it goes on filling a queue that is full. Halve at a loss, then grow by one packet a round trip`,
      );
    },
  },
  {
    title: 'gives way to a newcomer',
    run: ({ NewReno: Controller }) => {
      const [first, second] = runBottleneck({
        flows: [new Controller(), new Controller()],
        startsMs: [0, 10_000],
        queue: 50,
        loss: 0,
        seconds: 90,
        countFromMs: 30_000,
      });
      const [a, b] = [first?.delivered ?? 0, second?.delivered ?? 0];
      const share = b / (a + b);
      expectThat(
        share > 0.35 && share < 0.65,
        `the flow that came later has ${(share * 100).toFixed(0)} % of the link, a minute after it came: both must halve at a loss and grow at the same pace`,
      );
    },
  },
];
