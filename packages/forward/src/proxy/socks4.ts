/** SOCKS 4 and 4a, as a dynamic forward speaks them: CONNECT (spec proxy 3). */
import { ascii, isProxyTarget, MORE, type ProxyStep } from './proxy-request.js';

export const SOCKS4_VERSION = 0x04;
const CONNECT = 0x01;
const GRANTED = 90;
const REJECTED = 91;
/** Version, command, port and address; the user name follows. */
const FIXED_BYTES = 8;

/** Total: any bytes give a step. */
export function readSocks4(bytes: Uint8Array): ProxyStep {
  if (bytes.length < FIXED_BYTES) return MORE;
  const userEnd = bytes.indexOf(0, FIXED_BYTES);
  if (userEnd === -1) return MORE;
  const address = bytes.subarray(4, FIXED_BYTES);
  let host = [...address].join('.');
  let end = userEnd + 1;
  // 4a: an address of the form 0.0.0.x says that a name follows the user name.
  if (address.subarray(0, 3).every((byte) => byte === 0) && address[3] !== 0) {
    const nameEnd = bytes.indexOf(0, end);
    if (nameEnd === -1) return MORE;
    host = ascii(bytes.subarray(end, nameEnd));
    end = nameEnd + 1;
  }
  if (bytes[1] !== CONNECT) return refused(`the SOCKS 4 command ${bytes[1]}: only CONNECT is supported`);
  const target = { host, port: ((bytes[2] as number) << 8) | (bytes[3] as number) };
  if (!isProxyTarget(target)) return refused('a SOCKS 4 target that is not a valid host and port');
  const request = {
    command: 'connect',
    target,
    granted: encodeReply(GRANTED),
    refusal: () => encodeReply(REJECTED),
  } as const;
  return { kind: 'request', request, bytesRead: end };
}

function encodeReply(code: number): Uint8Array {
  return Uint8Array.of(0, code, 0, 0, 0, 0, 0, 0);
}

function refused(reason: string): ProxyStep {
  return { kind: 'refused', reply: encodeReply(REJECTED), reason };
}
