/** Step 9: pings the far end of a WireGuard tunnel, without an interface and without root on this side. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { internetChecksum } from '../3-your-own-packets/packets.ts';
import { type Session, tai64n, WireGuardInitiator } from './wireguard.ts';

const RETRY_MS = 5_000;
const ICMP = 1;

const [endpoint = '', remoteKey = '', ownKey = '', inner = '', innerTarget = ''] = process.argv.slice(2);
if (innerTarget === '') {
  console.error(
    'usage: ping.ts HOST:PORT PEER-PUBLIC-KEY OWN-PRIVATE-KEY OWN-ADDRESS-INSIDE PEER-ADDRESS-INSIDE',
  );
  process.exit(2);
}
const [host = '', port] = endpoint.split(':');
const socket = createSocket('udp4');
socket.connect(Number(port), host);
await once(socket, 'connect');

const session = await shakeHands();
const startMs = performance.now();
socket.send(session.seal(echoRequest(inner, innerTarget)));
for (;;) {
  const [datagram] = (await once(socket, 'message')) as [Buffer];
  const packet = session.open(datagram);
  // Not ours, damaged, or a keepalive, which has no bytes.
  if (packet === undefined || packet.length === 0) continue;
  const from = packet.subarray(12, 16).join('.');
  const isReply = packet[9] === ICMP && packet[20] === 0;
  console.log(
    `${isReply ? 'echo reply' : 'a packet'} from ${from} after ${(performance.now() - startMs).toFixed(1)} ms`,
  );
  if (isReply) break;
}
socket.close();

/** Tries until the peer answers: UDP may lose the initiation or the response. */
async function shakeHands(): Promise<Session> {
  for (;;) {
    const keys = { staticKey: Buffer.from(ownKey, 'base64'), remoteStatic: Buffer.from(remoteKey, 'base64') };
    const initiator = new WireGuardInitiator(keys);
    socket.send(initiator.createInitiation(tai64n(Date.now())));
    const deadline = AbortSignal.timeout(RETRY_MS);
    try {
      for (;;) {
        const [datagram] = (await once(socket, 'message', { signal: deadline })) as [Buffer];
        const found = initiator.consumeResponse(datagram);
        if (found === undefined) continue;
        console.log(
          'handshake done: the peer has proved that it holds its private key, and we that we hold ours',
        );
        return found;
      }
    } catch {
      console.log('no answer yet: a wrong key, a wrong port and a lost datagram all look alike');
    }
  }
}

/** An IPv4 packet with an ICMP echo request. */
function echoRequest(from: string, to: string): Uint8Array {
  const packet = new Uint8Array(28);
  const view = new DataView(packet.buffer);
  packet[0] = 0x45;
  view.setUint16(2, packet.length);
  packet[8] = 64; // time to live
  packet[9] = ICMP;
  packet.set(from.split('.').map(Number), 12);
  packet.set(to.split('.').map(Number), 16);
  view.setUint16(10, internetChecksum(packet.subarray(0, 20)));
  packet[20] = 8; // echo request
  view.setUint16(22, internetChecksum(packet.subarray(20)));
  return packet;
}
