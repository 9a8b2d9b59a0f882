/** The form of a message between processes: values as V8 serializes them, and byte arrays apart from them.
 *
 *  V8 enlarges its buffer while it serializes, and frees the smaller ones with what is in them. Keys never get there. */
import { DefaultDeserializer, DefaultSerializer } from 'node:v8';

export interface EncodedMessage {
  /** Everything but the bytes of arrays. */
  readonly values: Uint8Array;
  /** The arrays of the message itself, in the order in which they follow the values. */
  readonly arrays: readonly Uint8Array[];
}

/** @param message  anything that V8 can serialize; its byte arrays are instances of Uint8Array */
export function encodeMessage(message: unknown): EncodedMessage {
  const writer = new MessageWriter();
  writer.writeHeader();
  writer.writeValue(message);
  return { values: writer.releaseBuffer(), arrays: writer.arrays };
}

/** @param arrays  the bytes of all arrays, one after the other
 *  @returns the message, whose arrays are views of `arrays` */
export function decodeMessage(values: Uint8Array, arrays: Uint8Array): unknown {
  const reader = new MessageReader(values, arrays);
  reader.readHeader();
  return reader.readValue();
}

/** Node calls `_writeHostObject` for each byte array. */
class MessageWriter extends DefaultSerializer {
  readonly arrays: Uint8Array[] = [];

  _writeHostObject(array: Uint8Array): void {
    this.writeUint32(array.length);
    this.arrays.push(array);
  }
}

class MessageReader extends DefaultDeserializer {
  readonly #arrays: Uint8Array;
  #at = 0;

  constructor(values: Uint8Array, arrays: Uint8Array) {
    super(values);
    this.#arrays = arrays;
  }

  _readHostObject(): Uint8Array {
    const { buffer, byteOffset } = this.#arrays;
    const length = this.readUint32();
    this.#at += length;
    return new Uint8Array(buffer, byteOffset + this.#at - length, length);
  }
}
