import type { ClientPlan, Expectation, StreamPlan } from '../scenario.js';
import type { EndModel } from '../stream-model.js';

/** spec streams 5.3, recovery 5: a transfer on a clean path gets its share of the rate, whatever other streams and
 *  peers do. This is not a watch over datagrams, because the models of the streams already know when they start and
 *  end. */
export const EXPECTATION_NAME = 'expectations';

/** How much longer the slower of two equal streams may take, as a share. They take turns packet by packet, so most of
 *  the difference is at the end of the transfer. */
const MAX_UNFAIRNESS = 0.25;

/** @param opened  the opener's end of each stream
 *  @param sizeOf  the size of a full datagram that the opener of a stream of that client has found
 *  @returns which expectations were disappointed */
export function expectationProblems(
  clients: readonly ClientPlan[],
  opened: ReadonlyMap<StreamPlan, EndModel>,
  sizeOf: (plan: StreamPlan, client: number) => number | undefined,
): string[] {
  return clients.flatMap(({ streams, expectations }, client) =>
    expectations.flatMap((expectation) => {
      const plan = streams[expectation.stream] as StreamPlan;
      const twin = expectation.besides === undefined ? undefined : streams[expectation.besides];
      const own = opened.get(plan);
      const problem =
        judgeExpectation(expectation, plan, own) ??
        judgeShares(plan, own, twin && opened.get(twin)) ??
        judgeSize(expectation, sizeOf(plan, client));
      return problem === undefined ? [] : [problem];
    }),
  );
}

/** spec mtu 3.1, 3.5: the search ends at the largest size that the path carries. */
function judgeSize({ datagramBytes }: Expectation, found: number | undefined): string | undefined {
  if (datagramBytes === undefined || found === datagramBytes) return undefined;
  return `the search has found the size ${found}, the path carries ${datagramBytes}`;
}

/** spec streams 5.8: streams with bytes to send take turns. @returns what is wrong, or undefined */
function judgeShares(
  plan: StreamPlan,
  one: EndModel | undefined,
  other: EndModel | undefined,
): string | undefined {
  const [oneAt, otherAt] = [one?.peer?.readAllAt, other?.peer?.readAllAt];
  if (oneAt === undefined || otherAt === undefined) return undefined;
  const tookMs = Math.max(oneAt, otherAt) - plan.openAt;
  const apartMs = Math.abs(oneAt - otherAt);
  if (apartMs <= MAX_UNFAIRNESS * tookMs) return undefined;
  return `two equal streams ended ${apartMs.toFixed(0)} ms apart, and took ${tookMs.toFixed(0)} ms`;
}

/** @returns what is wrong, or undefined */
function judgeExpectation(
  { withinMs }: Expectation,
  plan: StreamPlan,
  opener: EndModel | undefined,
): string | undefined {
  const reader = opener?.peer;
  const endedAt = reader?.readAllAt;
  if (endedAt === undefined)
    return `a stream of ${plan.opener.sizeBytes} bytes never ended, ${withinMs.toFixed(0)} ms are enough`;
  const tookMs = endedAt - plan.openAt;
  if (tookMs <= withinMs) return undefined;
  return `a stream of ${plan.opener.sizeBytes} bytes took ${tookMs.toFixed(0)} ms, ${withinMs.toFixed(0)} ms are enough`;
}
