/** The tables and plots of a session of the playground. */
import { viewStream } from '@underpass/protocol';
import { useMemo } from 'preact/hooks';
import { nameOf } from '../model/event-words.js';
import type { Process } from '../model/process.js';
import type { Series } from '../model/samples.js';
import type { Lab } from './lab.js';
import { Plots, type PlotsModel } from './plots.js';
import { KeypairTable } from './tables/keypair-table.js';
import { StreamTable } from './tables/stream-table.js';
import { TimerTable } from './tables/timer-table.js';

/** How many streams of each process are listed. */
const SHOWN_STREAMS = 8;

const PLOTS: readonly { readonly of: keyof Series; readonly title: string; readonly unit: string }[] = [
  { of: 'kbitPerSecond', title: 'Throughput', unit: 'kbit/s' },
  { of: 'windowKilobytes', title: 'Congestion window', unit: 'kB' },
  { of: 'inFlightKilobytes', title: 'Bytes in flight', unit: 'kB' },
  { of: 'rttMs', title: 'Smoothed RTT', unit: 'ms' },
];

/** The sending side of each client. */
export function LabPlots({ lab }: { readonly lab: Lab }) {
  const read = useMemo(() => () => plotsOf(lab), [lab]);
  return <Plots version={lab.version} read={read} />;
}

/** The streams of every process. */
export function LabStreams({ lab }: { readonly lab: Lab }) {
  lab.version.value;
  const rows = processesOf(lab).flatMap(({ node, application }) =>
    application.transfers
      .slice(-SHOWN_STREAMS)
      .map(({ request, stream }) => ({ place: nameOf(node), request, view: viewStream(stream) })),
  );
  return <StreamTable rows={rows} hint="No stream yet. Let the client upload something." />;
}

export function LabKeypairs({ lab }: { readonly lab: Lab }) {
  lab.version.value;
  const rows = processesOf(lab).flatMap(({ node, peers }) =>
    peers.flatMap((peer) => peer.view.keypairs.map((keypair) => ({ place: nameOf(node), keypair }))),
  );
  return <KeypairTable rows={rows} now={lab.now} />;
}

export function LabTimers({ lab }: { readonly lab: Lab }) {
  lab.version.value;
  const rows = processesOf(lab).flatMap(({ node, peers }) =>
    peers.flatMap((peer) => peer.view.timers.map(({ at, reason }) => ({ place: nameOf(node), at, reason }))),
  );
  return <TimerTable rows={rows} now={lab.now} />;
}

function plotsOf(lab: Lab): PlotsModel {
  const { seconds, series } = lab.run.samples;
  const running = lab.run.clients.filter(({ isRunning }) => isRunning).length;
  const names = lab.session.setup.clients;
  return {
    seconds,
    lanes: Array.from({ length: running }, (_, lane) => `Client ${lane + 1}: ${names[lane] ?? names[0]}`),
    plots: PLOTS.map(({ of, title, unit }) => ({
      title,
      unit,
      digits: of === 'rttMs' ? 1 : 0,
      lines: Array.from({ length: running }, (_, lane) => series[lane]?.[of] ?? []),
    })),
  };
}

function processesOf({ run }: Lab): readonly Process[] {
  return [...run.clients.filter(({ isRunning }) => isRunning), run.relay];
}
