import type { Lab } from './lab.js';
import { address, bytes, milliseconds } from './words.js';

/** What one side knows at present, in a few lines. */
export function SideCard({ lab, side }: { readonly lab: Lab; readonly side: 'client' | 'relay' }) {
  lab.version.value;
  const { run } = lab;
  const lane = lab.lane.value ?? 0;
  const process = side === 'relay' ? run.relay : run.clients[lane];
  const peer = side === 'relay' ? process?.peers[lane] : process?.peers[0];
  const due = process === undefined ? undefined : run.turns.get(process.node)?.nextDue;
  const stats = peer?.stats();
  const own =
    side === 'relay' ? '198.51.100.1:51820' : address(run.world.networks[lane]?.addressOf('client') as never);
  const isConnected = stats?.connected === true;
  return (
    <div class={`side ${side}`}>
      <h3>
        {side === 'relay' ? 'Relay' : `Client${lane > 0 ? ` ${lane + 1}` : ''}`}
        <span class={isConnected ? 'state good' : 'state'}>
          {isConnected ? 'connected' : 'no connection'}
        </span>
      </h3>
      <p class="mono">{own}</p>
      <dl>
        <dt>in flight</dt>
        <dd>
          {bytes(stats?.bytesInFlight ?? 0)} of {bytes(stats?.congestionWindowBytes ?? 0)}
        </dd>
        <dt>wakes</dt>
        <dd>
          {due === undefined
            ? 'when something arrives'
            : `in ${milliseconds(Math.max(0, due.at - run.now))}: ${due.reason}`}
        </dd>
      </dl>
    </div>
  );
}
