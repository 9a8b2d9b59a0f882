/** Reports to render and to compare. */
import type { ClientReport } from '../../src/control/client-report.js';
import type { RelayReport } from '../../src/control/relay-report.js';
import type { PeerReport } from '../../src/control/report.js';

export function aPeer(changes: Partial<PeerReport> = {}): PeerReport {
  return {
    name: 'laptop',
    publicKey: 'bGFwdG9w',
    connected: true,
    address: '203.0.113.7:4242',
    software: 'underpass/0.1.0',
    handshakes: 1,
    handshakeRttMs: 20,
    smoothedRttMs: 12.345,
    datagramsSent: 1000,
    datagramsReceived: 900,
    bytesSent: 1_000_000,
    bytesReceived: 900_000,
    streamBytesSent: 800_000,
    streamBytesReceived: 700_000,
    packetsSent: 1000,
    packetsLost: 5,
    messages: {
      sent: 30,
      received: 20,
      tooLarge: 1,
      sendQueueFull: 2,
      expired: 3,
      withoutFlow: 4,
      receiveQueueFull: 5,
    },
    datagramBytes: 1452,
    openStreams: 1,
    heardMs: 1500,
    waitingMs: undefined,
    ...changes,
  };
}

const PROCESS = {
  version: '0.1.0',
  node: 'v24.0.0',
  pid: 4242,
  uptimeMs: 3_600_000,
  suite: 'sodium',
  socket: 'native',
  segments: true,
  coalesces: true,
  drops: {},
  sendErrors: {},
  atMs: 1000,
  streams: [],
  streamsNotListed: 0,
} as const;

export function aRelay(changes: Partial<RelayReport> = {}): RelayReport {
  return {
    ...PROCESS,
    kind: 'relay',
    name: 'relay',
    config: '/etc/underpass/relay.toml',
    publicKey: 'cmVsYXk=',
    listen: '0.0.0.0:51820',
    peersConfigured: 2,
    peers: [aPeer()],
    peersNotListed: 0,
    listeners: [],
    listenersNotListed: 0,
    ...changes,
  };
}

export function aClient(changes: Partial<ClientReport> = {}): ClientReport {
  return {
    ...PROCESS,
    kind: 'client',
    name: 'vps',
    endpoint: 'vpn.example.org:51820',
    publicKey: 'Y2xpZW50',
    relay: aPeer({ name: 'vps', publicKey: 'cmVsYXk=', address: '198.51.100.1:51820' }),
    forwards: [{ kind: 'local', text: '8080:localhost:80', listen: ['127.0.0.1:8080', '[::1]:8080'] }],
    ...changes,
  };
}
