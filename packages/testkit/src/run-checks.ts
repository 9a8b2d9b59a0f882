/** Checks on whole processes, which need no rule. */
import {
  type ConnectionError,
  ConnectionErrorCode,
  DEFAULT_TRANSPORT,
  MAX_SEND_PIECES,
  MAX_SENT_FRAMES,
  MAX_SENT_PACKETS,
  type TransportConfig,
} from '@underpass/protocol';
import type { PeerLink, ProcessModel } from './process-model.js';
import type { Scenario } from './scenario.js';
import type { SimulatedNetwork } from './simulation/simulated-network.js';
import type { NodeName } from './simulation/world.js';
import type { EndModel } from './stream-model.js';

/** The gaps between acknowledged pieces may all be lost, too, and so may the data on both sides of a frame in flight
 *  (spec streams 5.7). */
const MAX_NOTED_PIECES = 2 * MAX_SEND_PIECES + MAX_SENT_FRAMES;
/** A connection survives everything except restarts, closes and violations (spec streams 3), and one peer's actions
 *  never affect another's connection. @returns what is wrong if the scenario does not explain why a connection ended */
export function disconnectProblem(
  { restarts, close, violation, removal }: Scenario,
  node: NodeName,
  peer: NodeName | undefined,
  error: ConnectionError,
): string | undefined {
  const isOf = (culprit: NodeName | undefined) =>
    culprit !== undefined && (culprit === 'relay' || culprit === node || culprit === peer);
  const { none, peerRestarted } = ConnectionErrorCode;
  if (error.code === peerRestarted) {
    if (restarts.some((restart) => isOf(restart.node))) return undefined;
    if ([close, violation, removal].some((cause) => isOf(cause?.node))) return undefined;
  }
  if ((error.code === none && isOf(close?.node)) || isOf(removal?.node) || isOf(violation?.node))
    return undefined;
  return `${node} lost its connection with ${peer}: ${error.code} ${error.reason} (by ${error.by})`;
}

/** Where the memory that the other side, or the application, makes a process hold exceeds its bound. */
export function memoryProblems(process: ProcessModel, transport?: Partial<TransportConfig>): string[] {
  const config = { ...DEFAULT_TRANSPORT, ...transport };
  const { node } = process;
  const problems: string[] = [];
  for (const peer of process.peers) {
    const { unreadBytes, unacknowledgedBytes, openStreams, notedPieces, rememberedPackets } = (
      process.link(peer) as PeerLink
    ).stats;
    if (notedPieces < 0 || notedPieces > MAX_NOTED_PIECES || rememberedPackets > MAX_SENT_PACKETS) {
      problems.push(`${node} notes ${notedPieces} pieces and remembers ${rememberedPackets} packets`);
    }
    if (unreadBytes < 0 || unreadBytes > config.connectionWindowBytes) {
      problems.push(
        `${node} holds ${unreadBytes} unread bytes, its window is ${config.connectionWindowBytes}`,
      );
    }
    const sendLimit = config.sendBufferBytes + openStreams * config.minStreamSendBufferBytes;
    if (unacknowledgedBytes < 0 || unacknowledgedBytes > sendLimit) {
      problems.push(`${node} holds ${unacknowledgedBytes} unacknowledged bytes, its limit is ${sendLimit}`);
    }
  }
  return problems;
}

/** docs/cli.md, datagrams 2.2, 3: each message that an application wanted to send was sent, or counted as dropped. Call at
 *  the end, when none waits. */
export function lostMessages(process: ProcessModel): string[] {
  return process.peers.flatMap((peer) => {
    const link = process.link(peer) as PeerLink;
    const { sent, received, tooLarge, sendQueueFull, expired } = link.stats.flowDatagrams;
    const sum = (count: (end: EndModel) => number) => link.ends.reduce((total, end) => total + count(end), 0);
    const asked = sum(({ outcomes }) => outcomes.asked);
    const refused = sum(({ outcomes }) => outcomes.tooLarge);
    const read = sum(({ messages }) => messages);
    const problems: string[] = [];
    if (asked !== sent + tooLarge + sendQueueFull + expired || tooLarge < refused)
      problems.push(
        `counts ${sent} sent, ${tooLarge} too large, ${sendQueueFull} without room and ${expired} expired of ${asked} messages to ${peer}`,
      );
    if (received !== read) problems.push(`counts ${received} messages of ${peer}, ${read} were read`);
    return problems.map((problem) => `${process.node} ${problem}`);
  });
}

/** What a process still holds for its peers. */
export function leftoversOf(process: ProcessModel): string[] {
  return process.peers.flatMap((peer) => {
    const { openStreams, unreadBytes, unacknowledgedBytes, bytesInFlight, notedPieces } = (
      process.link(peer) as PeerLink
    ).stats;
    return Object.entries({ openStreams, unreadBytes, unacknowledgedBytes, bytesInFlight, notedPieces })
      .filter(([, value]) => value !== 0)
      .map(([name, value]) => `${process.node} has ${name} ${value}`);
  });
}

/** spec streams 8.1 */
const FAREWELL_COPIES = 7;

/** spec session 4: only a datagram that arrived twice is a replay, or a farewell that was sent again. None here falls so
 *  far behind that it would be mistaken for one. @returns what is wrong, or undefined */
export function replayProblem(
  processes: readonly ProcessModel[],
  networks: readonly SimulatedNetwork[],
  { removal }: Scenario,
): string | undefined {
  const replays = processes.reduce((sum, { endpoint }) => sum + endpoint.drops['replayed-counter'], 0);
  const copies = networks.reduce(
    (sum, { counts }) => sum + counts.duplicated + counts.replayed,
    removal === undefined ? 0 : FAREWELL_COPIES,
  );
  if (replays <= copies) return undefined;
  return `${replays} datagrams were dropped as replays, but at most ${copies} arrived twice`;
}
