/** Checks of step 3: packets made by hand, whole, damaged and hostile. */
import { type Check, expectThat, sameBytes } from '../check.ts';
import type { internetChecksum, parsePacket, pcapFile } from './packets.ts';

interface Step {
  readonly parsePacket: typeof parsePacket;
  readonly internetChecksum: typeof internetChecksum;
  readonly pcapFile: typeof pcapFile;
}

/** A UDP datagram with `hello`, from 192.0.2.1 port 1000 to 192.0.2.2 port 2000. */
const HELLO = withChecksum([
  0x45, 0, 0, 33, 0, 1, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0x03, 0xe8, 0x07, 0xd0, 0, 13, 0,
  0, 0x68, 0x65, 0x6c, 0x6c, 0x6f,
]);
/** The same with four bytes of IP options, which few packets have. */
const WITH_OPTIONS = withChecksum([0x46, 0, 0, 37, ...HELLO.slice(4, 20), 1, 1, 1, 0, ...HELLO.slice(20)]);

export const checks: readonly Check<Step>[] = [
  {
    title: 'computes the example of RFC 1071',
    run: ({ internetChecksum }) => {
      const sum = internetChecksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7));
      expectThat(
        sum === 0x220d,
        `the checksum of 00 01 f2 03 f4 f5 f6 f7 is 0x220d, not 0x${sum.toString(16)}: what overflows 16 bits is added to ` +
          'the sum again, and in the end all bits are inverted',
      );
      expectThat(
        internetChecksum(Uint8Array.of(1)) === 0xfeff,
        'an odd last byte counts as the upper half of a word',
      );
    },
  },
  {
    title: 'finds addresses, ports and payload',
    run: ({ parsePacket }) => {
      const packet = parsePacket(HELLO);
      expectThat(
        !('reason' in packet),
        `a whole UDP packet was refused: ${'reason' in packet ? packet.reason : ''}`,
      );
      const { protocol, from, to, fromPort, toPort } = packet;
      const seen = `${protocol} ${from}:${fromPort} > ${to}:${toPort}`;
      expectThat(seen === 'udp 192.0.2.1:1000 > 192.0.2.2:2000', `the packet was read as ${seen}`);
      expectThat(
        textOf(packet) === 'hello',
        `the payload is hello, and ${JSON.stringify(textOf(packet))} was found`,
      );
    },
  },
  {
    title: 'steps over IP options, and ignores padding',
    run: ({ parsePacket }) => {
      expectThat(
        textOf(parsePacket(WITH_OPTIONS)) === 'hello',
        'with options the IP header is longer than 20 bytes: its length is in the lower half of the first byte, in words of four',
      );
      const padded = new Uint8Array(60);
      padded.set(HELLO);
      expectThat(
        textOf(parsePacket(padded)) === 'hello',
        'a short Ethernet frame is filled up with zeros: the packet ends where its total length says, not where the bytes end',
      );
    },
  },
  {
    title: 'believes no length without comparing it',
    run: ({ parsePacket }) => {
      for (let length = 0; length < HELLO.length; length++) {
        expectThat(
          isRefused(parsePacket, HELLO.slice(0, length)),
          `only ${length} of the packet's ${HELLO.length} bytes are there, and it was taken for whole`,
        );
      }
      const shortHeader = withChecksum([0x44, ...HELLO.slice(1)]);
      expectThat(
        isRefused(parsePacket, shortHeader),
        'an IP header length of 16 bytes was believed; it is at least 20',
      );
      for (const udpLength of [0, 7, 14, 0xffff]) {
        const wrong = Uint8Array.from(HELLO);
        wrong[24] = udpLength >> 8;
        wrong[25] = udpLength & 0xff;
        expectThat(
          isRefused(parsePacket, wrong),
          `a UDP length of ${udpLength} was believed in a packet with 13 bytes of UDP: a program in C would now read memory that is not the packet's`,
        );
      }
    },
  },
  {
    title: 'refuses a damaged header',
    run: ({ parsePacket }) => {
      for (let bit = 0; bit < 20 * 8; bit++) {
        const damaged = Uint8Array.from(HELLO);
        damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expectThat(
          isRefused(parsePacket, damaged),
          `bit ${bit} of the IP header was flipped, and the packet was taken all the same: check the header's checksum`,
        );
      }
    },
  },
  {
    title: 'writes a file that Wireshark opens',
    run: ({ pcapFile }) => {
      const file = pcapFile([
        { atMs: 1_500, bytes: HELLO },
        { atMs: 2_000.25, bytes: WITH_OPTIONS },
      ]);
      const hex = Buffer.from(file).toString('hex');
      expectThat(
        hex.startsWith('d4c3b2a1020004000000000000000000ffff000065000000'),
        'the first 24 bytes are the magic number a1b2c3d4, version 2.4, two zeros, the longest packet 65535 and link type 101, all little-endian',
      );
      expectThat(
        hex.slice(48, 80) === `0100000020a107002100000021000000`,
        'before each packet: seconds, microseconds, bytes in the file, bytes on the wire; 4 bytes each, little-endian',
      );
      expectThat(
        sameBytes(file.subarray(40, 73), HELLO),
        'the first packet does not follow its 16 bytes of header',
      );
      expectThat(
        file.length === 24 + 2 * 16 + HELLO.length + WITH_OPTIONS.length,
        `the file has ${file.length} bytes`,
      );
    },
  },
];

function isRefused(parse: typeof parsePacket, bytes: Uint8Array): boolean {
  try {
    return 'reason' in parse(bytes);
  } catch (error) {
    throw new Error(
      `a packet made it throw (${String(error)}): whoever can send you a packet can then stop your program`,
    );
  }
}

function textOf(packet: ReturnType<typeof parsePacket>): string {
  return 'payload' in packet ? Buffer.from(packet.payload).toString() : packet.reason;
}

/** Fills in the checksum of the IP header. */
function withChecksum(bytes: readonly number[]): Uint8Array {
  const packet = Uint8Array.from(bytes);
  packet.fill(0, 10, 12);
  const headerBytes = ((packet[0] ?? 0) & 0x0f) * 4;
  let sum = 0;
  for (let at = 0; at < headerBytes; at += 2) sum += ((packet[at] ?? 0) << 8) + (packet[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  packet[10] = (~sum >> 8) & 0xff;
  packet[11] = ~sum & 0xff;
  return packet;
}
