/** What the payload of a transport message contains, once it is open (spec wire 3, streams 1). */
import { FrameType, PACKET_TYPE } from '@underpass/protocol';
import { FieldReader } from './field-reader.js';
import { frameLayout } from './frames.js';
import { byteCount } from './words.js';

/** Reads the payload between `start` and `end`, all of it.
 *  @returns its parts and problem, and a summary */
export function readPayload(
  bytes: Uint8Array,
  start: number,
  end: number,
): { readonly reader: FieldReader; readonly summary: string } {
  const reader = new FieldReader(bytes, start, end);
  if (reader.left === 0) return { reader, summary: 'keepalive' };
  if (reader.nextByte === PACKET_TYPE) return { reader, summary: readPacket(reader) };
  const summary = isIpVersion(reader.nextByte >>> 4) ? 'IP packet' : 'unknown payload';
  reader.rest(summary, 'wire 3', `${byteCount(reader.left)}, which the receiver counts and drops`);
  return { reader, summary };
}

export function isIpVersion(version: number): boolean {
  return version === 4 || version === 6;
}

/** Reads an Underpass packet. @returns a summary */
function readPacket(reader: FieldReader): string {
  let summary = 'packet';
  reader.part('packet', 'streams 1.1', () => {
    reader.byte('payload type', () => 'Underpass packet');
    const number = reader.varint('packet number');
    summary = `packet ${number}`;
    return `number ${number}`;
  });
  const names: string[] = [];
  for (let type = reader.nextByte; type >= 0; type = reader.nextByte) {
    if (type === FrameType.padding) readPadding(reader, names);
    else readFrame(reader, type, names);
  }
  if (names.length > 0) summary += `: ${names.join(', ')}`;
  if (reader.problem === undefined) return summary;
  reader.rest('not decoded', 'streams 1.4', reader.problem);
  return `${summary}, malformed (${reader.problem})`;
}

function readPadding(reader: FieldReader, names: string[]): void {
  reader.part('PADDING', 'streams 1.1', () => byteCount(reader.zeros('padding')));
  // Nearly every payload ends with padding (spec session 6.5), which is not worth mentioning.
  if (reader.left > 0) names.push('PADDING');
}

function readFrame(reader: FieldReader, type: number, names: string[]): void {
  const layout = frameLayout(type);
  if (layout === undefined) {
    // Its length is unknown too, so nothing behind it can be read (spec streams 2.1).
    reader.fail(`unknown frame type 0x${type.toString(16)}`);
    return;
  }
  reader.part(layout.name, layout.spec, () => {
    reader.byte('frame type', () => `0x${type.toString(16).padStart(2, '0')} ${layout.name}`);
    return layout.read(reader);
  });
  names.push(layout.name);
}
