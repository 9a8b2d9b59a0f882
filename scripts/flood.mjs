// Floods a relay with forged handshake initiations, to measure what that costs the relay and which clients still get
// through.
//
// Each initiation has a different source address and a valid mac1, which requires only the relay's public key. Flood
// only relays on this machine, in a network namespace whose default route leads nowhere: otherwise the relay's answers
// reach the real owners of the forged addresses.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';

const PROTOCOL = new URL('../packages/protocol/dist/wireguard/mac.js', import.meta.url);
const RUNTIME = new URL('../packages/runtime/dist/index.js', import.meta.url);
const USAGE = `usage: node scripts/flood.mjs --relay-key KEY --to 127.0.0.1:PORT [--per-second N] [--seconds N]

  --per-second N   initiations a second (15000)
  --seconds N      how long (60)

Needs root, Linux and koffi, because forged source addresses require a raw socket. Prints how many were sent, and how
long that took.
`;

const AF_INET = 2;
const SOCK_RAW = 3;
const IPPROTO_RAW = 255;
const IPPROTO_UDP = 17;
const IP_BYTES = 20;
const UDP_BYTES = 8;
const INITIATION_BYTES = 148;
const MAC1_OFFSET = 116;
/** Generated once and sent repeatedly, because a relay keeps no state for them. */
const MESSAGES = 4096;

const options = readArguments();
const { chooseSuite, secureRandom } = await import(RUNTIME);
const { mac1Key, writeMacs } = await import(PROTOCOL);
const suite = await chooseSuite();
const c = openLibrary();
const socket = c.socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
if (socket < 0) fail('a raw socket needs root');
const target = socketAddress(options.host, options.port);
const packets = Array.from({ length: MESSAGES }, () => forgedPacket());
const { sent, seconds } = await flood();
process.stdout.write(`${JSON.stringify({ sent, seconds, perSecond: Math.round(sent / seconds) })}\n`);

/** Sends at the given rate, one millisecond's worth at a time. */
async function flood() {
  const start = performance.now();
  const end = start + 1000 * options.seconds;
  let sent = 0;
  for (let now = start; now < end; now = performance.now()) {
    const due = Math.floor(((now - start) * options.perSecond) / 1000);
    // After a pause of this process, do not catch up in one burst.
    for (let burst = 0; sent < due && burst < 256; burst++) {
      const packet = packets[sent % MESSAGES];
      packet.writeUInt32BE((0x0a000000 | (Math.random() * 0x1000000)) >>> 0, 12);
      packet.writeUInt16BE(1024 + Math.floor(Math.random() * 60_000), IP_BYTES);
      c.sendto(socket, packet, packet.length, 0, target, target.length);
      sent++;
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return { sent, seconds: (performance.now() - start) / 1000 };
}

/** An IPv4 packet with the best initiation that a forger can make: its mac1 is valid. The kernel completes the IP
 *  header. */
function forgedPacket() {
  const packet = Buffer.alloc(IP_BYTES + UDP_BYTES + INITIATION_BYTES);
  packet[0] = 0x45;
  packet[8] = 64;
  packet[9] = IPPROTO_UDP;
  target.copy(packet, 16, 4, 8);
  packet.writeUInt16BE(options.port, IP_BYTES + 2);
  packet.writeUInt16BE(UDP_BYTES + INITIATION_BYTES, IP_BYTES + 4);
  const message = packet.subarray(IP_BYTES + UDP_BYTES);
  message.set(secureRandom(MAC1_OFFSET));
  message.set([1, 0, 0, 0]);
  writeMacs(suite, mac1Key(suite, options.relayKey), undefined, message);
  return packet;
}

function socketAddress(host, port) {
  const address = Buffer.alloc(16);
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(port, 2);
  address.set(host.split('.').map(Number), 4);
  return address;
}

function openLibrary() {
  try {
    const koffi = createRequire(new URL('../packages/runtime/package.json', import.meta.url))('koffi');
    const library = koffi.load(null);
    return {
      socket: library.func('int socket(int domain, int type, int protocol)'),
      sendto: library.func(
        'long sendto(int fd, const void *data, size_t length, int flags, const void *address, uint32_t addressLength)',
      ),
    };
  } catch {
    return fail('koffi is not installed');
  }
}

function readArguments() {
  if (!existsSync(PROTOCOL)) fail('packages/protocol is not built: run npm run setup first');
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        'relay-key': { type: 'string' },
        to: { type: 'string' },
        'per-second': { type: 'string', default: '15000' },
        seconds: { type: 'string', default: '60' },
      },
    }));
  } catch (error) {
    fail(error.message);
  }
  const [, host, port] =
    /^(\d+\.\d+\.\d+\.\d+):(\d+)$/.exec(values.to ?? '') ?? fail('--to expects an IPv4 address and a port');
  const relayKey = Buffer.from(values['relay-key'] ?? '', 'base64');
  if (relayKey.length !== 32) fail('--relay-key expects a public key');
  return {
    host,
    port: Number(port),
    relayKey,
    perSecond: Number(values['per-second']),
    seconds: Number(values.seconds),
  };
}

function fail(reason) {
  process.stderr.write(`${reason}\n\n${USAGE}`);
  process.exit(2);
}
