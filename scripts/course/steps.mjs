/** The steps of the course: the program that each is about, and what a reader's own version of it must export. */
export const STEPS = [
  { folder: '1-stream-sockets', file: 'proxy.ts', exports: ['startProxy'] },
  { folder: '2-datagram-sockets', file: 'tunnel.ts', exports: ['startClient', 'startRelay'] },
  {
    folder: '3-your-own-packets',
    file: 'packets.ts',
    exports: ['parsePacket', 'internetChecksum', 'pcapFile'],
  },
  { folder: '4-seal-it', file: 'seal.ts', exports: ['SealedChannel'] },
  { folder: '5-who-are-you', file: 'noise.ts', exports: ['startInitiator', 'startResponder'] },
  { folder: '6-deliver-it', file: 'reliable.ts', exports: ['Sender', 'Receiver'] },
  { folder: '7-share-the-road', file: 'congestion.ts', exports: ['NewReno'] },
  { folder: '8-stay-connected', file: 'connected.ts', exports: ['PeerAddress', 'Epochs', 'MtuSearch'] },
  { folder: '9-wireguard', file: 'wireguard.ts', exports: ['WireGuardInitiator'] },
];
