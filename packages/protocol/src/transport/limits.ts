/** The limits and defaults of the transport: first those of the specification (docs/spec/streams.md, recovery.md and
 *  others), then our own. Units stand at the end of the names. */
import { assert } from '../assert.js';
import { PADDING_BYTES, TRANSPORT_OVERHEAD_BYTES } from '../datagram-layout.js';

// ---- specification ------------------------------------------------------------------------------------------

/** The first byte of a payload that is an Underpass packet (spec streams 1.1). */
export const PACKET_TYPE = 0x01;
/** The version that HELLO states (spec streams 3.1). */
export const PROTOCOL_VERSION = 1;
export const EPOCH_BYTES = 8;
/** The packet number of a farewell: the greatest there is, so that no receiver has seen it before
 *  (spec streams 8.1). */
export const FAREWELL_PACKET_NUMBER = Number.MAX_SAFE_INTEGER;

/** The limits that hold until HELLO arrives (spec streams 3.5). */
export const INITIAL_MAX_DATA_BYTES = 1024 * 1024;
export const INITIAL_MAX_STREAM_DATA_BYTES = 16 * 1024;
export const INITIAL_MAX_STREAMS = 128;

/** The longest software name in HELLO, and the longest reason in CLOSE. */
export const MAX_SOFTWARE_NAME_BYTES = 64;
export const MAX_CLOSE_REASON_BYTES = 128;
/** The most ranges of an ACK frame beyond the first (spec streams 2.2). */
export const MAX_ACK_FRAME_RANGES = 256;
/** The most frames other than PADDING in a packet (spec streams 2.3). */
export const MAX_FRAMES_PER_PACKET = 512;
/** How many more packets without an effect than with one a peer may send, and how many more of them each second
 *  (spec streams 2.5). */
export const MAX_IDLE_PACKETS = 16_384;
export const IDLE_PACKETS_PER_SECOND = 20;
/** How many streams a peer may give up in a burst and get their places back at once, and how many more each second
 *  (spec streams 5.4). */
export const GIVEN_UP_STREAMS_BURST = 1024;
export const GIVEN_UP_STREAMS_PER_SECOND = 200;
/** How many new epochs a peer may state in a burst, and how many more each second (spec streams 3.6). Even with a full
 *  set of streams in each epoch, a peer opens no more streams than the budget above gives back. */
export const EPOCHS_BURST = 8;
export const EPOCHS_PER_SECOND = 0.2;
/** Less credit than this is used only when nothing of the stream is unacknowledged (spec streams 5.6). */
export const MIN_USEFUL_CREDIT_BYTES = 1024;
/** Answers to PATH_CHALLENGE that may wait (spec streams 2.4). */
export const MAX_PATH_RESPONSES = 3;
/** How much smaller the largest message of a flow is than a full datagram (spec datagrams 2.2): type and number of the
 *  packet, the fields of the frame, and a HELLO. */
export const DATAGRAM_HEADROOM_BYTES: number = TRANSPORT_OVERHEAD_BYTES + 9 + 7 + 64;
/** The memory that messages of flows take while they wait to be sent or to be read, each message with this charge for
 *  its notes, and the longest that one waits to be sent (spec datagrams 3). */
export const DATAGRAM_SEND_QUEUE_BYTES = 96 * 1024;
export const DATAGRAM_RECEIVE_QUEUE_BYTES = 256 * 1024;
export const DATAGRAM_CHARGE_BYTES = 256;
export const MAX_DATAGRAM_WAIT_MS = 1_000;
/** A stream's turn to send lasts for what the path carries in this time, up to so many bytes (spec streams 5.9). */
export const TURN_MS = 0.2;
export const MAX_TURN_BYTES = 65_536;
/** The most separate pieces of a stream that a receiver keeps (spec streams 4.6). */
export const MAX_REASSEMBLY_PIECES = 512;

/** An ack-eliciting packet is acknowledged within this time (spec recovery 1.1). */
export const MAX_ACK_DELAY_MS = 25;
/** The delay in an ACK frame is in units of 8 µs (spec streams 2.2; RFC 9000 §18.2). */
export const ACK_DELAY_UNITS_PER_MS = 125;
/** The most ranges that a receiver remembers and reports (spec recovery 1.2). */
export const MAX_RECEIVED_RANGES = 64;
/** This many unacknowledged ack-eliciting packets are acknowledged at once (spec recovery 1.1). */
export const ACK_ELICITING_THRESHOLD = 2;

/** The packet threshold of loss detection, and the highest that reordering raises it to (spec recovery 3.1, 3.3). */
export const PACKET_THRESHOLD = 3;
export const MAX_PACKET_THRESHOLD = 64;
/** The time threshold, in round trips (spec recovery 3.1; RFC 9002 §6.1.2). */
export const TIME_THRESHOLD = 9 / 8;
/** The round trip of a late packet is remembered for one to two of these spans. It extends the time threshold to at
 *  most this many round trips (spec recovery 3.3). */
export const REORDERING_MEMORY_MS = 5_000;
export const MAX_LATE_RTTS = 2;
/** The granularity of timers (RFC 9002 §6.1.2). */
export const GRANULARITY_MS = 1;
/** The round trip that is assumed before anything is measured (spec recovery 2). */
export const INITIAL_RTT_MS = 333;
/** A handshake that took longer says nothing about the path: its response waited while a side slept (spec recovery 2). */
export const MAX_HANDSHAKE_RTT_MS = 5_000;
/** A sample of the round trip that lasts as long as both shows that a side slept (spec recovery 2). */
export const SLEEP_SAMPLE_MS = 1_000;
export const SLEEP_SAMPLE_PTOS = 8;
/** Losses over this many probe timeouts are persistent congestion (spec recovery 5.3). */
export const PERSISTENT_CONGESTION_THRESHOLD = 3;
/** The longest interval of the probe timer (spec recovery 4). The client has to find the relay, so it probes more
 *  often. */
export const CLIENT_MAX_PTO_MS = 1_500;
export const RELAY_MAX_PTO_MS = 10_000;
/** From the next probe timeout in a row on, a probe is a single PING without data (spec recovery 4). */
export const MAX_DATA_PROBES = 2;
/** When data stops arriving, a client asks the relay whether it is still there after this many probe timeouts, and no
 *  sooner than after this time, ... */
export const QUIET_PTOS = 2;
export const MIN_QUIET_MS = 250;
/** ... and then asks again at this interval while it has open streams (spec outage 3). */
export const STREAM_KEEPALIVE_MS = 25_000;
/** How long after the last packet of a burst its data is repeated, and for how long that happens on a new path and
 *  after each loss (spec recovery 8). */
export const TAIL_REPEAT_DELAY_MS = 4;
export const TAIL_REPEAT_UNSURE_MS = 60_000;
/** The budget of repeats: a share of what is sent, plus as much per millisecond as somebody typing needs, up to a
 *  burst. */
export const TAIL_REPEAT_SHARE = 0.03;
export const TAIL_REPEAT_BYTES_PER_MS = 3;
export const TAIL_REPEAT_BURST_BYTES = 4_800;
/** The peer's keys may be lost after this many probe timeouts in a row, or when an answer has been due for this long
 *  (spec recovery 4.1). */
export const DEAD_KEYS_PTO_COUNT = 3;
export const SUSPECT_AFTER_MS = 1_000;
/** How long an answer has to be due before the endpoint reports that streams wait (spec outage 2). */
export const WAITING_AFTER_MS = 2_500;

// ---- ours ---------------------------------------------------------------------------------------------------

/** The base size: the UDP payload of a full datagram on a path about which nothing is known (spec mtu 1.2). Over IPv6
 *  it makes a packet of 1200 bytes, which fits IPv6's smallest MTU of 1280 even inside one more tunnel. */
export const BASE_DATAGRAM_BYTES = 1152;
/** The headers of IPv6 and UDP, and the most that a WireGuard tunnel over IPv6 adds. */
const IPV6_UDP_HEADER_BYTES = 48;
const TUNNEL_OVERHEAD_BYTES = 80;
const IPV6_MIN_MTU_BYTES = 1280;
/** The largest size that the MTU search tries: what Ethernet carries over IPv4. */
export const MAX_PROBED_DATAGRAM_BYTES = 1472;
/** The largest datagram that we accept, as our HELLO states it (spec streams 3.1). */
export const MAX_RECEIVED_DATAGRAM_BYTES = 16_384;
/** The most bytes that one poll fills. UDP segmentation takes no more in one call. */
export const BATCH_BYTES = 65_536;

/** The most farewells to superseded processes that wait to be sent (spec streams 8.1). Further ones are not sent. */
export const MAX_FAREWELLS = 64;
/** When a farewell to a removed peer is sent again: so long after it was sent last (spec streams 8.1). */
export const FAREWELL_COPY_MS: readonly number[] = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000];
/** The most farewells that wait to be sent again (spec streams 8.1). Further ones are sent once. A farewell takes about
 *  half a kilobyte. */
export const MAX_REPEATED_FAREWELLS = 1024;
/** How many epochs are remembered as ended (spec streams 3.7). */
export const MAX_ENDED_EPOCHS = 8;
/** The least time between two reports that two processes use one key (spec streams 3.7). */
export const KEY_SHARED_SILENCE_MS = 10_000;
/** The least time between two reports that a peer has moved (spec path 3). */
export const MOVE_SILENCE_MS = 1_000;

/** How many streams of the peer may be open at the same time (spec streams 5.4). */
export const MAX_OPEN_STREAMS = 1024;
/** The spare part of the connection's window: what it has beyond the first windows of all streams (spec streams 5.3)
 *  ... */
export const SPARE_WINDOW_BYTES = 43 * 1024 * 1024;
/** ... and the whole window: the peer's share of memory for what it sends us. */
export const CONNECTION_WINDOW_BYTES = SPARE_WINDOW_BYTES + MAX_OPEN_STREAMS * INITIAL_MAX_STREAM_DATA_BYTES;
/** The largest window of a stream. */
export const MAX_STREAM_WINDOW_BYTES = SPARE_WINDOW_BYTES / 2;
/** The opening window of a stream, how much has to arrive before the stream gets it, and how much has to be read before
 *  the window may grow further (spec streams 5.3). */
export const OPENING_WINDOW_BYTES = 256 * 1024;
export const OPENING_BYTES = 2048;
export const READER_PROOF_BYTES = INITIAL_MAX_STREAM_DATA_BYTES / 2;
/** How much the buffers of two systems may take of a stream even if its program reads nothing. On Linux, that is about
 *  4 MiB by default. */
export const SYSTEM_BUFFERS_BYTES = 6 * 1024 * 1024;

/** How many written and unacknowledged bytes a connection keeps, over all streams ... */
export const SEND_BUFFER_BYTES = 24 * 1024 * 1024;
/** ... and how many of them a single stream may always have. */
export const MIN_STREAM_SEND_BUFFER_BYTES = 8 * 1024;

/** How many sent packets a connection remembers. When there are more, new data waits (spec recovery 3.3). */
export const MAX_SENT_PACKETS = 65_536;
/** How many frames of streams in them it remembers. */
export const MAX_SENT_FRAMES = 2 * MAX_SENT_PACKETS;
/** How many separate pieces of streams may be lost, or acknowledged beyond a gap. With more, nothing new is sent
 *  (spec streams 5.7). */
export const MAX_SEND_PIECES = 32_768;

/** The most messages of flows in one packet, far below what a packet may contain (spec streams 2.3). */
export const MAX_DATAGRAMS_PER_PACKET = 64;

/** The size of a reassembly block. The memory of a stream is a multiple of it. */
export const RECEIVE_BLOCK_BYTES = 8192;

assert(
  MAX_STREAM_WINDOW_BYTES * 2 <= SPARE_WINDOW_BYTES,
  'one stream takes at most half of what is beyond the first windows',
);
assert(OPENING_WINDOW_BYTES <= MAX_STREAM_WINDOW_BYTES, 'a window grows from the opening window');
assert(
  OPENING_BYTES < READER_PROOF_BYTES,
  'a window is raised first because bytes arrive, and later because they are read',
);
assert(READER_PROOF_BYTES <= INITIAL_MAX_STREAM_DATA_BYTES, 'the first window is enough to show a reader');
assert(INITIAL_MAX_DATA_BYTES <= CONNECTION_WINDOW_BYTES, 'limits only rise');
assert(INITIAL_MAX_STREAM_DATA_BYTES <= OPENING_WINDOW_BYTES, 'limits only rise');
assert(INITIAL_MAX_STREAMS <= MAX_OPEN_STREAMS, 'limits only rise');
assert(
  EPOCHS_PER_SECOND * MAX_OPEN_STREAMS < 1.05 * GIVEN_UP_STREAMS_PER_SECOND,
  'new epochs open no more streams than the budget of given-up ones',
);
assert(INITIAL_MAX_STREAM_DATA_BYTES % RECEIVE_BLOCK_BYTES === 0, 'windows are whole blocks');
assert(MAX_DATAGRAMS_PER_PACKET < MAX_FRAMES_PER_PACKET, 'messages leave room for other frames');
assert((MAX_SENT_PACKETS & (MAX_SENT_PACKETS - 1)) === 0, 'the ring is indexed by a mask');
assert((MAX_SENT_FRAMES & (MAX_SENT_FRAMES - 1)) === 0, 'as is that of their frames');
assert(SUSPECT_AFTER_MS < WAITING_AFTER_MS, 'a new handshake is tried before streams are reported to wait');
assert(
  (BASE_DATAGRAM_BYTES - TRANSPORT_OVERHEAD_BYTES) % PADDING_BYTES === 0,
  'a full payload needs no padding',
);
assert(
  BASE_DATAGRAM_BYTES + IPV6_UDP_HEADER_BYTES + TUNNEL_OVERHEAD_BYTES <= IPV6_MIN_MTU_BYTES,
  'the base fits every IPv6 path, in a tunnel too',
);
