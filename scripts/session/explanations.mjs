// What each field is for. A field of the session without an entry here is an error. `PART/field` goes before `field`.

export const EXPLANATIONS = {
  // ---- WireGuard's messages
  'message type':
    'Which of the four messages this is. Together with the length it decides how the rest is read.',
  reserved: 'Always zero. With the type, these are the first 32-bit integer of the message.',
  'initiation/sender index':
    'Drawn at random by the client. The relay puts it on every message back, so that the client finds the right keys without trial.',
  'response/sender index':
    'Drawn at random by the relay: what the client has to put on everything that it sends under the new keys.',
  'response/receiver index':
    'The index from the initiation, so the client knows which handshake this answers.',
  'initiation/ephemeral public key':
    'The public half of a key that exists for this handshake alone. When it is wiped, nobody can open a recording of this session, even with all static keys.',
  'response/ephemeral public key':
    "The relay's key for this handshake. Both sides now have four keys between them, and mix four Diffie-Hellman results.",
  "initiator's static public key":
    "The client's identity. It is sealed with a key that only the relay can derive, so an observer does not learn it.",
  'TAI64N timestamp':
    'A relay accepts only timestamps above the last one of the same client. A recorded initiation is therefore worthless. It is rounded down to 16.8 ms.',
  mac1: "Proves that the sender knows the receiver's public key, from which the key of this MAC is derived. Without a valid mac1 there is no answer at all, and the port looks closed.",
  mac2: 'Zero, because the receiver is not under load. Under load it demands a cookie here, which proves that the sender can receive at its address.',
  'initiation/authentication tag':
    'Poly1305 over the ciphertext in front of it and everything exchanged so far. One changed bit, and the handshake fails.',
  'response/authentication tag':
    'Seals an empty payload. It opens only if both sides have derived the same keys, which takes both private static keys: this is where the relay proves who it is.',
  'transport header/receiver index':
    'Tells the receiver under which keys to open this. It says nothing to anyone else.',
  'transport header/counter':
    'The nonce of the seal. It rises with every message under these keys and never repeats. The receiver refuses what it has seen.',
  'seal/authentication tag':
    'Poly1305 over the sealed payload. Only somebody who has the session key can make it. If it does not match, the datagram has no effect.',
  // ---- the packet
  'payload type':
    '`01` says that this is an Underpass packet. An IP packet would start with `4` or `6`, so both can share a port.',
  'packet number':
    'Counts the packets of the connection in this direction. Unlike the counter above, it goes on when the keys change, and a lost packet is never sent again under its number.',
  'frame type': 'Says what the following bytes are.',
  padding:
    'Zero bytes are PADDING frames. WireGuard pads every payload to a multiple of 16, which hides the exact length.',
  // ---- HELLO
  'HELLO/length': 'The length of the rest of HELLO, so that later versions can add to it.',
  version: 'The version of what is inside WireGuard.',
  epoch:
    'Eight random bytes that the sender has drawn for this connection. Another epoch later would mean that the process was restarted.',
  'expected epoch':
    'The epoch of the receiver, as far as the sender knows it. A receiver with another epoch knows that this packet was meant for an earlier run of it.',
  role: 'A client opens streams with even ids, a relay with odd ones.',
  'initial MAX_DATA': 'How many bytes of all streams together the sender of HELLO has room for.',
  'initial MAX_STREAM_DATA': 'How many bytes it takes of each new stream before it says more.',
  MAX_STREAMS: 'How many streams the other side may open.',
  'largest datagram taken': 'The largest datagram that it accepts.',
  'name length': 'The length of the next field.',
  'software name': 'For people who read logs.',
  // ---- streams
  'stream id':
    'Which stream. Each TCP connection through the tunnel has its own; even ids are those that the client opened.',
  offset:
    'Where in the stream these bytes belong. The receiver puts the stream together by offsets, in whatever order packets arrive.',
  'STREAM/length': 'How many bytes follow.',
  'STREAM with FIN/length': 'How many bytes follow. They are the last ones of this direction.',
  maximum: 'The new limit. Limits only rise, so an old one that arrives late does no harm.',
  'request kind': 'A stream starts with what it is for: connect to a target over TCP.',
  'host length': 'The length of the host.',
  host: 'The target, as the relay will resolve it. Before that, the relay looks whether its rules let this client reach it.',
  port: "The target's port.",
  status: "The relay's answer to the request: the target accepted the connection.",
  'HTTP request':
    "The program's own bytes. They were sent without waiting for an answer, so a new connection costs no round trip.",
  'HTTP response': "The target's own bytes.",
  // ---- ACK
  'largest acknowledged': 'The highest packet number that has arrived.',
  delay:
    'How long the sender of the ACK held it back, in units of 8 µs. The other side subtracts that from the measured round trip.',
  'range count': 'How many more ranges follow the first.',
  'first range': 'How many packets in a row, below the largest, have arrived too.',
  gap: 'How many packets below that are missing, less one.',
  'range length': 'How many packets in a row arrived below the gap, less one.',
  // ---- CLOSE
  code: 'Why the connection ends.',
  'reason length': 'The length of the next field.',
  reason: 'The same in words, for people.',
};
