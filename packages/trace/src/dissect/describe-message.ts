import {
  announcedVarintLength,
  classifyMessage,
  END,
  FrameReader,
  HEADER_BYTES,
  MALFORMED,
  MessageType,
  PACKET_TYPE,
  readVarint,
  TAG_BYTES,
} from '@underpass/protocol';
import { type Description, HANDSHAKE_LABELS, lookOf } from './describe.js';
import { frameLayout } from './frames.js';
import { isIpVersion } from './payload.js';

export interface MessageDescription extends Description {
  /** Of a transport message with a packet. */
  readonly packetNumber: number | undefined;
}

/** Says the same of an open datagram as `describe(dissect(datagram, true))`, and looks at no more of it than it has to:
 *  a running tunnel has no time for a dissection. */
export class MessageDescriber {
  readonly #reader = new FrameReader();

  describe(datagram: Uint8Array): MessageDescription {
    switch (classifyMessage(datagram)) {
      case MessageType.initiation:
        return { look: 'handshake', label: HANDSHAKE_LABELS.initiation, packetNumber: undefined };
      case MessageType.response:
        return { look: 'handshake', label: HANDSHAKE_LABELS.response, packetNumber: undefined };
      case MessageType.cookieReply:
        return { look: 'handshake', label: HANDSHAKE_LABELS['cookie-reply'], packetNumber: undefined };
      case MessageType.transport:
        return this.#describePayload(datagram, datagram.length - TAG_BYTES);
      default:
        return { look: 'unknown', label: 'Not a message', packetNumber: undefined };
    }
  }

  #describePayload(message: Uint8Array, end: number): MessageDescription {
    const first = message[HEADER_BYTES] as number;
    if (end <= HEADER_BYTES) return { look: 'keepalive', label: 'Keepalive', packetNumber: undefined };
    if (first !== PACKET_TYPE) {
      const label = isIpVersion(first >>> 4) ? 'IP packet' : 'unknown payload';
      return { look: 'control', label, packetNumber: undefined };
    }
    const at = HEADER_BYTES + 1;
    const start = at < end ? at + announcedVarintLength(message[at] as number) : Number.POSITIVE_INFINITY;
    if (start > end) return { look: 'control', label: 'not decoded', packetNumber: undefined };
    const names = this.#frameNames(message, start, end);
    return { look: lookOf(names), label: names.join(', '), packetNumber: readVarint(message, at) };
  }

  /** Each once, in the order in which they come. */
  #frameNames(message: Uint8Array, start: number, end: number): string[] {
    const reader = this.#reader;
    const names: string[] = [];
    reader.begin(message, start, end);
    for (let type = reader.next(); type !== END; type = reader.next()) {
      const name = type === MALFORMED ? 'not decoded' : frameLayout(type)?.name;
      if (name !== undefined && !names.includes(name)) names.push(name);
      if (type === MALFORMED) break;
    }
    return names;
  }
}
