/** What a dynamic forward says to a program until it knows the target (spec proxy 1 to 5). */
import { MAX_PROXY_REQUEST_BYTES } from '../forward-constants.js';
import { readHttp } from './http-connect.js';
import { NOTHING, type ProxyRequest, type ProxyStep } from './proxy-request.js';
import { readSocks4, SOCKS4_VERSION } from './socks4.js';
import { readGreeting, readRequest, SOCKS5_VERSION } from './socks5.js';

export type ProxyOutcome =
  | { readonly kind: 'more'; readonly reply: Uint8Array }
  | {
      readonly kind: 'request';
      readonly reply: Uint8Array;
      readonly request: ProxyRequest;
      /** What followed the request. */
      readonly rest: Uint8Array;
    }
  /** The connection is to be closed after `reply`, or reset when that is empty.
   *  @param reason  what the program asked for that cannot be served */
  | { readonly kind: 'refused'; readonly reply: Uint8Array; readonly reason: string };

type Reader = (bytes: Uint8Array) => ProxyStep;

/** Recognises the protocol by the first byte and reads the request, however the bytes are split.
 *
 *  It does no IO: the caller passes what arrives to `receive`, sends each `reply`, and stops at the first outcome other
 *  than `more`. It keeps at most `MAX_PROXY_REQUEST_BYTES`. */
export class ProxyDialogue {
  #received: Uint8Array = NOTHING;
  #read: Reader | undefined;

  receive(chunk: Uint8Array): ProxyOutcome {
    this.#received = Buffer.concat([this.#received, chunk]);
    let reply = NOTHING;
    for (;;) {
      this.#read ??= readerFor(this.#received[0]);
      if (this.#read === undefined) return { kind: 'more', reply };
      // A chunk may carry more than the limit, because bytes for the target follow the request.
      const step = this.#read(this.#received.subarray(0, MAX_PROXY_REQUEST_BYTES));
      if (step.kind === 'refused') {
        return { ...step, reply: Buffer.concat([reply, step.reply]) };
      }
      this.#received = this.#received.subarray(step.bytesRead);
      if (step.kind === 'request') {
        return { kind: 'request', reply, request: step.request, rest: this.#received };
      }
      if (step.bytesRead === 0) {
        if (this.#received.length < MAX_PROXY_REQUEST_BYTES) return { kind: 'more', reply };
        return {
          kind: 'refused',
          reply: NOTHING,
          reason: `a request of more than ${MAX_PROXY_REQUEST_BYTES} bytes`,
        };
      }
      reply = Buffer.concat([reply, step.reply]);
      this.#read = readRequest; // the greeting of SOCKS 5 is the only step that is followed by another
    }
  }
}

function readerFor(first: number | undefined): Reader | undefined {
  if (first === undefined) return undefined;
  if (first === SOCKS5_VERSION) return readGreeting;
  if (first === SOCKS4_VERSION) return readSocks4;
  const isLetter = /^[A-Za-z]$/.test(String.fromCharCode(first));
  return isLetter ? readHttp : refuseUnknown;
}

function refuseUnknown(bytes: Uint8Array): ProxyStep {
  const isTls = bytes[0] === 0x16;
  const what = isTls
    ? 'TLS: set the proxy without it, as in http:// or socks5h://'
    : 'neither SOCKS nor HTTP';
  return { kind: 'refused', reply: NOTHING, reason: what };
}
