import type { PeerSnapshot } from '@underpass/trace';
import type { ComponentChildren } from 'preact';
import { address, bytes, milliseconds } from '../view/words.js';

/** What this side knows of the peer now. @param now  on the clock of the snapshot */
export function PeerCard({ peer, now }: { readonly peer: PeerSnapshot; readonly now: number }) {
  const { stats, recovery, congestion } = peer;
  const next = peer.timers.toSorted((a, b) => a.at - b.at)[0];
  const ago = (at: number | undefined) =>
    at === undefined ? 'never' : `${milliseconds(Math.max(0, now - at))} ago`;
  return (
    <section class="panel peer" aria-labelledby="peer-title">
      <h2 id="peer-title">
        {peer.name}{' '}
        <span class={stats.connected ? 'state good' : 'state'}>
          {stats.connected ? 'connected' : 'no connection'}
        </span>
      </h2>
      <p class="mono small key">{peer.publicKey}</p>
      {stats.waitingSince !== undefined && (
        <p class="hint">An answer has been due for {milliseconds(now - stats.waitingSince)}: streams wait.</p>
      )}
      <dl class="facts">
        <Fact name="Address">
          <span class="mono">{peer.address === undefined ? 'not known' : address(peer.address)}</span>
        </Fact>
        <Fact name="Software">{stats.software ?? 'not known'}</Fact>
        <Fact name="Heard">{ago(stats.heardAt)}</Fact>
        <Fact name="Next wake-up">
          {next === undefined
            ? 'when something arrives'
            : `in ${milliseconds(Math.max(0, next.at - now))}: ${next.reason}`}
        </Fact>
        <Fact name="Round trip">
          {recovery?.smoothedRttMs === undefined
            ? 'not measured'
            : `${milliseconds(recovery.smoothedRttMs)}, the latest ${milliseconds(recovery.latestRttMs ?? 0)}`}
        </Fact>
        <Fact name="In flight">
          {bytes(recovery?.bytesInFlight ?? 0)} of a window of {bytes(congestion?.windowBytes ?? 0)}
        </Fact>
        <Fact name="Congestion control">
          {congestion === undefined
            ? 'none yet'
            : `${congestion.name}${congestion.isInSlowStart ? ', in slow start' : ''}`}
        </Fact>
        <Fact name="Lost">
          {stats.packetsLost} of {stats.packetsSent} packets
        </Fact>
        <Fact name="Largest datagram">{bytes(stats.datagramBytes)}</Fact>
        <Fact name="Handshakes">{stats.handshakes}</Fact>
        <Fact name="Sent">
          {stats.datagramsSent} datagrams, {bytes(stats.bytesSent)}
        </Fact>
        <Fact name="Received">
          {stats.datagramsReceived} datagrams, {bytes(stats.bytesReceived)}
        </Fact>
      </dl>
    </section>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
