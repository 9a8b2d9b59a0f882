/** The transport's limits and defaults: the specification's first (docs/spec/streams.md, recovery.md), ours second. */
import { assert } from '../assert.js';
import { PADDING_BYTES, TRANSPORT_OVERHEAD_BYTES } from '../datagram-layout.js';

// ---- specification ------------------------------------------------------------------------------------------

/** The first byte of a payload that is an Underpass packet (spec streams 1.1). */
export const PACKET_TYPE = 0x01;
export const PROTOCOL_VERSION = 1;
export const EPOCH_BYTES = 8;
/** The greatest number that there is, so that no receiver has seen it (spec streams 8.1). */
export const FAREWELL_PACKET_NUMBER = Number.MAX_SAFE_INTEGER;

/** Limits that hold before HELLO (spec streams 3.5). */
export const INITIAL_MAX_DATA_BYTES = 1024 * 1024;
export const INITIAL_MAX_STREAM_DATA_BYTES = 16 * 1024;
export const INITIAL_MAX_STREAMS = 128;

export const MAX_SOFTWARE_NAME_BYTES = 64;
export const MAX_CLOSE_REASON_BYTES = 128;
/** Ranges of one ACK frame beyond the first (spec streams 2.2). */
export const MAX_ACK_FRAME_RANGES = 256;
/** Frames other than PADDING in one packet (spec streams 2.3). */
export const MAX_FRAMES_PER_PACKET = 512;
/** Packets without effect that a peer may have sent beyond those with one, and how many it may send each second (spec streams 2.5). */
export const MAX_IDLE_PACKETS = 16_384;
export const IDLE_PACKETS_PER_SECOND = 20;
/** Streams that a peer may give up at one go and still have their places back at once, and how many more each second (spec streams 5.4). */
export const GIVEN_UP_STREAMS_BURST = 1024;
export const GIVEN_UP_STREAMS_PER_SECOND = 200;
/** New epochs that a peer may state at one go, and how many more each second (spec streams 3.6): with a full set of streams in each, it
 *  still opens no more of them than the budget above gives back. */
export const EPOCHS_BURST = 8;
export const EPOCHS_PER_SECOND = 0.2;
/** Less credit than this is used only when nothing of the stream is unacknowledged (spec streams 5.6). */
export const MIN_USEFUL_CREDIT_BYTES = 1024;
/** Answers to PATH_CHALLENGE that may wait (spec streams 2.4). */
export const MAX_PATH_RESPONSES = 3;
/** Separate pieces of one stream that a receiver keeps (spec streams 4.6). */
export const MAX_REASSEMBLY_PIECES = 512;

export const MAX_ACK_DELAY_MS = 25;
/** ACK delay is in units of 2^3 µs (RFC 9000 §18.2). */
export const ACK_DELAY_UNITS_PER_MS = 125;
/** Ranges a receiver remembers and reports (spec recovery 1.2). */
export const MAX_RECEIVED_RANGES = 64;
/** Ack-eliciting packets that may stay unacknowledged (spec recovery 1.1). */
export const ACK_ELICITING_THRESHOLD = 2;

/** RFC 9002 §6.1, §6.2 and §A.2. */
export const PACKET_THRESHOLD = 3;
export const MAX_PACKET_THRESHOLD = 64;
export const TIME_THRESHOLD = 9 / 8;
/** A late packet's round trip is remembered for one to two of these spans, and extends the time threshold to at most so many
 *  round trips (spec recovery 3.3). */
export const REORDERING_MEMORY_MS = 5_000;
export const MAX_LATE_RTTS = 2;
export const GRANULARITY_MS = 1;
export const INITIAL_RTT_MS = 333;
export const PERSISTENT_CONGESTION_THRESHOLD = 3;
/** A probe timeout never backs off beyond this (spec recovery 4): the client finds the relay, so it looks more often. */
export const CLIENT_MAX_PTO_MS = 1_500;
export const RELAY_MAX_PTO_MS = 10_000;
/** Further probe timeouts in a row send one PING each and no data. */
export const MAX_DATA_PROBES = 2;
/** Spec outage 3: a client whose streams fell silent asks whether the relay is there after so many probe timeouts, at least ... */
export const QUIET_PTOS = 2;
export const MIN_QUIET_MS = 250;
/** ... and again this often as long as it has streams. */
export const STREAM_KEEPALIVE_MS = 25_000;
/** Spec recovery 8: how long after the last packet of a burst its data is repeated, and for how long on a new path and after a loss. */
export const TAIL_REPEAT_DELAY_MS = 4;
export const TAIL_REPEAT_UNSURE_MS = 60_000;
/** Bytes that repeats may use: a share of what is sent, and what a typist needs. */
export const TAIL_REPEAT_SHARE = 0.03;
export const TAIL_REPEAT_BYTES_PER_MS = 3;
export const TAIL_REPEAT_BURST_BYTES = 4_800;
/** The keys may be dead after so many probe timeouts in a row, or when an answer has been due for so long (spec recovery 4.1). */
export const DEAD_KEYS_PTO_COUNT = 3;
export const SUSPECT_AFTER_MS = 1_000;
/** How long an answer has to be due before anybody is told that it is waited for (spec outage 2). */
export const WAITING_AFTER_MS = 2_500;

// ---- ours ---------------------------------------------------------------------------------------------------

/** UDP payload of a full datagram on a path of which nothing is known (spec mtu 1.2). Over IPv6 it is a packet of 1200 bytes, which
 *  still fits IPv6's smallest MTU of 1280 inside one more tunnel. */
export const BASE_DATAGRAM_BYTES = 1152;
/** Headers of IPv6 and UDP, and the most that a WireGuard tunnel over IPv6 adds. */
const IPV6_UDP_HEADER_BYTES = 48;
const TUNNEL_OVERHEAD_BYTES = 80;
const IPV6_MIN_MTU_BYTES = 1280;
/** What an Ethernet path carries over IPv4: the search for the path's MTU goes no further. */
export const MAX_PROBED_DATAGRAM_BYTES = 1472;
/** The largest datagram that we take (spec streams 3.1). */
export const MAX_RECEIVED_DATAGRAM_BYTES = 16_384;
/** What one poll may fill: a UDP segmentation call takes no more. */
export const BATCH_BYTES = 65_536;

/** Farewells of spec streams 8.1 that wait to be sent because a process was superseded; further ones are not made. */
export const MAX_FAREWELLS = 64;
/** Epochs that are remembered as ended (spec streams 3.7). */
export const MAX_ENDED_EPOCHS = 8;
/** How often two processes with one key are reported, at most. */
export const KEY_SHARED_SILENCE_MS = 10_000;
/** How often moves of one peer are reported, at most. */
export const MOVE_SILENCE_MS = 1_000;

/** The peer's streams that may be open at one time (spec streams 5.4). */
export const MAX_OPEN_STREAMS = 1024;
/** What the connection's window has beyond the first window of every stream (spec streams 5.3) ... */
export const SPARE_WINDOW_BYTES = 43 * 1024 * 1024;
/** ... and all of it: a peer's share of memory for what it sends us. */
export const CONNECTION_WINDOW_BYTES = SPARE_WINDOW_BYTES + MAX_OPEN_STREAMS * INITIAL_MAX_STREAM_DATA_BYTES;
export const MAX_STREAM_WINDOW_BYTES = SPARE_WINDOW_BYTES / 2;
/** The window of a stream that has begun to be used: once so much has arrived, and again when somebody has read so much. */
export const OPENING_WINDOW_BYTES = 256 * 1024;
export const OPENING_BYTES = 2048;
export const READER_PROOF_BYTES = INITIAL_MAX_STREAM_DATA_BYTES / 2;
/** What the buffers of two systems may take of a stream though its program reads nothing: about 4 MiB by default on Linux. */
export const SYSTEM_BUFFERS_BYTES = 6 * 1024 * 1024;

/** What a connection keeps of written but unacknowledged bytes, over all streams ... */
export const SEND_BUFFER_BYTES = 24 * 1024 * 1024;
/** ... and what a single stream may always hold of it. */
export const MIN_STREAM_SEND_BUFFER_BYTES = 64 * 1024;

/** Packets that a connection remembers as sent; sending pauses when it is full. */
export const MAX_SENT_PACKETS = 65_536;
/** Frames of streams in them. */
export const MAX_SENT_FRAMES = 2 * MAX_SENT_PACKETS;
/** Separate pieces of streams that are acknowledged behind a gap, or lost: with more, nothing new is sent (spec streams 5.7). */
export const MAX_SEND_PIECES = 32_768;

/** Reassembly block: memory of a stream is a multiple of it. */
export const RECEIVE_BLOCK_BYTES = 8192;

assert(
  MAX_STREAM_WINDOW_BYTES * 2 <= SPARE_WINDOW_BYTES,
  'one stream takes at most half of what is beyond the first windows',
);
assert(OPENING_WINDOW_BYTES <= MAX_STREAM_WINDOW_BYTES, 'a window grows from there');
assert(OPENING_BYTES < READER_PROOF_BYTES, 'a window is raised first for what arrives, then for who reads');
assert(READER_PROOF_BYTES <= INITIAL_MAX_STREAM_DATA_BYTES, 'the first window is enough to show a reader');
assert(INITIAL_MAX_DATA_BYTES <= CONNECTION_WINDOW_BYTES, 'limits only rise');
assert(INITIAL_MAX_STREAM_DATA_BYTES <= OPENING_WINDOW_BYTES, 'limits only rise');
assert(INITIAL_MAX_STREAMS <= MAX_OPEN_STREAMS, 'limits only rise');
assert(
  EPOCHS_PER_SECOND * MAX_OPEN_STREAMS < 1.05 * GIVEN_UP_STREAMS_PER_SECOND,
  'new epochs open no more streams than the budget of given-up ones',
);
assert(INITIAL_MAX_STREAM_DATA_BYTES % RECEIVE_BLOCK_BYTES === 0, 'windows are whole blocks');
assert((MAX_SENT_PACKETS & (MAX_SENT_PACKETS - 1)) === 0, 'the ring is indexed by a mask');
assert((MAX_SENT_FRAMES & (MAX_SENT_FRAMES - 1)) === 0, 'as is that of their frames');
assert(SUSPECT_AFTER_MS < WAITING_AFTER_MS, 'a new handshake is tried before anybody is told to wait');
assert(
  (BASE_DATAGRAM_BYTES - TRANSPORT_OVERHEAD_BYTES) % PADDING_BYTES === 0,
  'a full payload needs no padding',
);
assert(
  BASE_DATAGRAM_BYTES + IPV6_UDP_HEADER_BYTES + TUNNEL_OVERHEAD_BYTES <= IPV6_MIN_MTU_BYTES,
  'the base fits every IPv6 path, in a tunnel too',
);
