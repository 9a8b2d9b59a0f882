/** Step 3: sees the packets of one port, of every program on this machine. Needs root on Linux, and that is the point.
 *
 *  Node offers no raw sockets. koffi calls the C library's functions directly, as a C program would. */
import { writeFileSync } from 'node:fs';
import koffi from 'koffi';
import { type Captured, parsePacket, pcapFile } from './packets.ts';

/** From Linux's headers. */
const AF_PACKET = 17;
const SOCK_RAW = 3;
const ETH_P_IP = 0x0800;
const MAX_FRAME_BYTES = 65_536;
/** The loopback interface has an Ethernet header too, with zeros for addresses. */
const ETHERNET_HEADER_BYTES = 14;

const [port, file = 'capture.pcap', howMany = '20'] = process.argv.slice(2);
if (port === undefined) {
  console.error('usage: capture.ts PORT [FILE.pcap] [HOW-MANY]');
  process.exit(2);
}

const libc = koffi.load('libc.so.6');
const openSocket = libc.func('int socket(int domain, int type, int protocol)');
const receive = libc.func('intptr_t recv(int fd, void *buffer, size_t length, int flags)');

// The protocol is in network byte order: the two bytes of ETH_P_IP, swapped.
const fd = openSocket(AF_PACKET, SOCK_RAW, ((ETH_P_IP & 0xff) << 8) | (ETH_P_IP >> 8));
if (fd < 0) {
  console.error(
    'no raw socket: only root may have one, because it sees what every program on the machine sends',
  );
  process.exit(1);
}

console.log(`watching port ${port}; ${howMany} packets go to ${file}`);
const captured: Captured[] = [];
const frame = new Uint8Array(MAX_FRAME_BYTES);
while (captured.length < Number(howMany)) {
  // This blocks the whole process until a packet comes: fine here, and the reason why real servers use non-blocking sockets.
  const length = receive(fd, frame, frame.length, 0);
  if (length <= ETHERNET_HEADER_BYTES) continue;
  const bytes = frame.slice(ETHERNET_HEADER_BYTES, length);
  const packet = parsePacket(bytes);
  if ('reason' in packet) continue;
  if (packet.fromPort !== Number(port) && packet.toPort !== Number(port)) continue;
  captured.push({ atMs: Date.now(), bytes });
  const text = Buffer.from(packet.payload.subarray(0, 32))
    .toString('latin1')
    .replace(/[^\x20-\x7e]/g, '.');
  console.log(
    `${packet.protocol} ${packet.from}:${packet.fromPort} > ${packet.to}:${packet.toPort}, ` +
      `${packet.payload.length} bytes  ${text}`,
  );
}
writeFileSync(file, pcapFile(captured));
console.log(`open it with: wireshark ${file}`);
