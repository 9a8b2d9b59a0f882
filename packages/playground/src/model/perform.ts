/** Carries out actions. Which values an action takes is in actions.ts. */
import type { Address } from '@underpass/protocol';
import {
  clientName,
  ForgedInitiations,
  type NodeName,
  REPLAYER_ADDRESS,
  STRANGER_ADDRESS,
} from '@underpass/testkit/simulation';
import type { Action, Deed } from './actions.js';
import { describeDeed } from './deed-words.js';
import type { Datagram } from './history.js';
import type { Run } from './run.js';

/** How many different initiations a flood consists of. Its sender repeats them: making one costs as much as checking
 *  it. */
const FLOOD_MESSAGES = 4;
/** Which byte of a datagram is changed: one that a tag or mac covers. */
const CHANGED_BYTE = 24;
const CHANGE = 0x55;

export function nodeName(node: number): NodeName {
  return node === 0 ? 'relay' : clientName(node - 1);
}

export function perform(run: Run, action: Action): void {
  const refused = carryOut(run, action);
  run.history.note(
    refused === undefined ? describeDeed(action) : `${describeDeed(action)}: ${refused}`,
    true,
  );
}

/** @returns why the action has no effect, or undefined */
function carryOut(run: Run, deed: Deed): string | undefined {
  switch (deed.kind) {
    case 'drop':
    case 'delay':
    case 'corrupt':
      return changeDatagram(run, deed);
    case 'duplicate':
    case 'replay':
    case 'forge':
      return copyDatagram(run, deed);
    case 'flood':
      return flood(run, deed.ms, deed.perSecond);
    case 'link':
      run.setLink({ ...run.settings, [deed.setting]: deed.value });
      return undefined;
    case 'blackout':
      run.setLink(run.settings, run.now + deed.ms);
      return undefined;
    case 'move':
    case 'rebind':
      return move(run, deed.client - 1, deed.kind);
    case 'peer':
      if (run.clients.every(({ isRunning }) => isRunning)) return 'there is no further client';
      run.startClient();
      return undefined;
    default:
      return actOnProcess(run, deed);
  }
}

type OfProcess = Extract<Deed, { kind: 'restart' | 'clock' | 'rekey' | 'upload' | 'download' | 'reader' }>;

function actOnProcess(run: Run, deed: OfProcess): string | undefined {
  const node = 'client' in deed ? deed.client : deed.node;
  const process = run.process(nodeName(node));
  if (!process.isRunning) return 'it does not run';
  switch (deed.kind) {
    case 'restart':
      process.start(node === 0 ? run.clients.filter(({ isRunning }) => isRunning) : [run.relay]);
      return undefined;
    case 'clock':
      process.clockErrorMs += 1000 * deed.seconds;
      return undefined;
    case 'rekey':
      for (const peer of process.peers) peer.session.requestHandshake(run.now);
      process.wake();
      return undefined;
    case 'upload':
    case 'download': {
      const [peer] = process.peers;
      const kind = deed.kind === 'upload' ? 'PUT' : 'GET';
      const isOpen = peer !== undefined && process.application.request(peer, kind, deed.bytes);
      process.wake();
      return isOpen ? undefined : 'the relay permits no more streams';
    }
    case 'reader':
      process.application.setReader(deed.kilobytesPerSecond);
      process.wake();
      return undefined;
  }
}

function changeDatagram(
  run: Run,
  deed: Extract<Deed, { kind: 'drop' | 'delay' | 'corrupt' }>,
): string | undefined {
  const { history, world } = run;
  const carried = history.carriedOf(deed.datagram);
  if (carried === undefined) return 'it is not under way';
  const { copy, lane } = carried;
  const network = world.networks[lane];
  if (deed.kind === 'drop') {
    network?.drop(copy);
    history.onDropped(deed.datagram);
    return undefined;
  }
  network?.change(copy, deed.kind === 'delay' ? { laterMs: deed.ms } : { bytes: changed(copy.bytes) });
  history.onChanged(deed.datagram);
  return undefined;
}

function copyDatagram(
  run: Run,
  deed: Extract<Deed, { kind: 'duplicate' | 'replay' | 'forge' }>,
): string | undefined {
  const original = run.history.get(deed.datagram);
  if (original === undefined) return 'it does not exist';
  const { lane, target } = original;
  const origin = deed.kind === 'forge' ? 'forgery' : deed.kind;
  const bytes = deed.kind === 'forge' ? changed(original.bytes) : original.bytes;
  run.history.withOrigin(origin, original.id, () => {
    run.world.networks[lane]?.inject(target, bytes, sourceOf(deed.kind, original));
  });
  return undefined;
}

function sourceOf(kind: 'duplicate' | 'replay' | 'forge', original: Datagram): Address {
  if (kind === 'duplicate') return original.from;
  const attacker = kind === 'replay' ? REPLAYER_ADDRESS : STRANGER_ADDRESS;
  return kind === 'replay' ? { ...attacker, port: attacker.port + original.lane } : attacker;
}

/** A copy with one byte changed. */
function changed(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  const at = Math.min(CHANGED_BYTE, copy.length - 1);
  copy[at] = (copy[at] as number) ^ CHANGE;
  return copy;
}

function flood(run: Run, ms: number, perSecond: number): undefined {
  const { world, history, now } = run;
  const stranger = new ForgedInitiations(
    run.suite,
    run.random.derive(`flood at ${now}`),
    run.relay.publicKey,
  );
  const messages = Array.from({ length: FLOOD_MESSAGES }, () => stranger.next());
  const count = Math.floor((ms * perSecond) / 1000);
  for (let i = 0; i < count; i++) {
    world.queue.schedule(now + (i * 1000) / perSecond, () => {
      if (history.isFull) return;
      const message = messages[i % FLOOD_MESSAGES] as Uint8Array;
      history.withOrigin('flood', undefined, () => {
        world.networks[0]?.inject('relay', message, stranger.address);
      });
    });
  }
}

/** Gives a client another IP address, or only another port, as a NAT does that has forgotten it. */
function move(run: Run, lane: number, kind: 'move' | 'rebind'): string | undefined {
  const network = run.world.networks[lane];
  if (network === undefined || !run.clients[lane]?.isRunning) return 'it does not run';
  const { address, port } = network.addressOf('client');
  const next = address.replace(/\d+$/, (last) => String(Number(last) + 1));
  network.moveClient(kind === 'move' ? { address: next, port } : { address, port: port + 1 });
  return undefined;
}
