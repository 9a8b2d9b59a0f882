/** Checks of step 8: what a network, a restart and an attacker do to each of the three. */
import { type Check, expectThat } from '../check.ts';
import type { Epochs, MtuSearch, PeerAddress } from './connected.ts';

interface Step {
  readonly PeerAddress: typeof PeerAddress;
  readonly Epochs: typeof Epochs;
  readonly MtuSearch: typeof MtuSearch;
}

const HOME = '192.0.2.1:4000';
const TRAIN = '198.51.100.7:9000';
const ATTACKER = '203.0.113.66:1';

export const checks: readonly Check<Step>[] = [
  {
    title: 'follows a peer to its new address',
    run: ({ PeerAddress: Address }) => {
      const peer = new Address();
      peer.handleDatagram(HOME, 0, 100);
      peer.handleDatagram(TRAIN, 1, 100);
      expectThat(
        peer.address === TRAIN,
        `the peer's newest datagram came from ${TRAIN}, and answers still go to ${peer.address}`,
      );
    },
  },
  {
    title: 'is not moved by an old datagram',
    run: ({ PeerAddress: Address }) => {
      const peer = new Address();
      peer.handleDatagram(HOME, 5, 100);
      peer.handleDatagram(ATTACKER, 4, 100);
      expectThat(
        peer.address === HOME,
        'a datagram that somebody had held back (counter 4 after 5) moved the peer to where it was sent from: the seal is genuine, ' +
          'the sender address is not covered by it. Only the newest datagram says where the peer is',
      );
    },
  },
  {
    title: 'sends little to an address that has not answered a challenge',
    run: ({ PeerAddress: Address }) => {
      const peer = new Address();
      peer.handleDatagram(HOME, 0, 100);
      peer.handleChallengeAnswer(HOME);
      expectThat(peer.takeAllowance(1_000_000), 'a proven address must get what it asks for');
      peer.handleDatagram(TRAIN, 1, 100);
      expectThat(
        peer.takeAllowance(200),
        'the peer moved and sent 100 bytes: 300 may go back before it is proven',
      );
      expectThat(
        !peer.takeAllowance(200),
        'to a new, unproven address went more than three times what came from there: a peer could name a victim and have it flooded',
      );
      peer.handleChallengeAnswer(HOME);
      expectThat(!peer.takeAllowance(1_000), 'an answer from the old address proved the new one');
      peer.handleChallengeAnswer(TRAIN);
      expectThat(
        peer.takeAllowance(1_000_000),
        'the new address answered the challenge, and is still held back',
      );
    },
  },
  {
    title: 'tells a restart from a new key, and late packets from both',
    run: ({ Epochs: Runs }) => {
      const runs = new Runs('ours');
      expectThat(
        runs.judge('a', undefined) === 'belongs',
        'the first packet of a peer belongs to its first run',
      );
      expectThat(
        runs.judge('a', 'ours') === 'belongs',
        'packets of the same run belong together, whatever key they came under',
      );
      expectThat(
        runs.judge('b', undefined) === 'peer-restarted',
        'the peer has drawn a new epoch: it has restarted and knows none of the streams. They must end now, not hang',
      );
      expectThat(
        runs.judge('a', 'ours') === 'stale',
        'a late packet of the former run was taken for another restart: it would end all streams of the present one',
      );
      expectThat(
        runs.judge('b', 'ours') === 'belongs',
        'after a late packet, the present run no longer belongs',
      );
      expectThat(
        runs.judge('b', 'our former run') === 'stale',
        'a packet for a former run of ours was accepted: its stream numbers mean something else now',
      );
    },
  },
  {
    title: 'finds the largest datagram that a path carries',
    run: ({ MtuSearch: Search }) => {
      for (const path of [1200, 1201, 1280, 1392, 1420, 1451, 1472]) {
        const search = new Search(1472);
        const probes = searchOn(search, path);
        expectThat(probes < 60, `the search on a path of ${path} bytes did not end`);
        expectThat(
          search.current <= path,
          `a path carries ${path} bytes, and data would use ${search.current}: all of it would be lost`,
        );
        expectThat(
          search.current >= 1200 && search.current > path - 25,
          `a path carries ${path} bytes, and the search ended at ${search.current}`,
        );
      }
    },
  },
  {
    title: 'is not misled by a probe that was lost by accident',
    run: ({ MtuSearch: Search }) => {
      const search = new Search(1472);
      let n = 0;
      searchOn(search, 1472, () => n++ % 3 !== 2); // two of three probes are lost, whatever their size
      expectThat(
        search.current > 1440,
        `the path carries 1472 bytes and loses many datagrams, and the search ended at ${search.current}: one lost probe proves nothing`,
      );
    },
  },
  {
    title: 'notices that the path has become smaller',
    run: ({ MtuSearch: Search }) => {
      const search = new Search(1472);
      searchOn(search, 1472);
      for (let i = 0; i < 10 && search.current > 1300; i++) search.handleDataLost(search.current);
      expectThat(
        search.current === 1200,
        `ten full datagrams in a row were lost, and data still use ${search.current} bytes: small packets pass and large ones don't, ` +
          'so the connection looks alive and carries nothing. Go back to 1200',
      );
      searchOn(search, 1300);
      expectThat(
        search.current > 1270 && search.current <= 1300,
        `the smaller path carries 1300 bytes, and the new search ended at ${search.current}`,
      );
    },
  },
];

function searchOn(search: MtuSearch, path: number, isLostAnyway = () => false): number {
  let probes = 0;
  for (let size = search.nextProbe(); size !== undefined && probes < 100; size = search.nextProbe()) {
    probes++;
    if (size <= path && !isLostAnyway()) search.handleProbeArrived(size);
    else search.handleProbeLost(size);
  }
  return probes;
}
