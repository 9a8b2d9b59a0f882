/** HTTP's CONNECT, as a dynamic forward speaks it (spec proxy 4; RFC 9110 §9.3.6). */
import type { TcpTarget } from '../forward-spec.js';
import { parseTarget } from '../forward-syntax.js';
import type { TunnelFailure } from '../tunnel-error.js';
import { ascii, isProxyTarget, MORE, type ProxyStep } from './proxy-request.js';

const GRANTED = 'HTTP/1.1 200 Connection established\r\n\r\n';
const ONLY_CONNECT =
  'this proxy forwards connections, not HTTP requests: use SOCKS 5 (socks5h://), or CONNECT (curl: --proxytunnel)';

/** Total: any bytes give a step. */
export function readHttp(bytes: Uint8Array): ProxyStep {
  const text = ascii(bytes);
  const lineEnd = text.indexOf('\r\n');
  if (lineEnd === -1) return MORE;
  const found = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP\/1\.[01]$/.exec(text.slice(0, lineEnd));
  // HTTP/2 begins with a line that looks like a request of version 2.0.
  if (found === null && !/^[A-Z]+ \S+ HTTP\//.test(text)) {
    return refused('400 Bad Request', 'what was sent is not an HTTP request');
  }
  const [, method, authority = ''] = found ?? [];
  if (method !== 'CONNECT') return refused('405 Method Not Allowed', ONLY_CONNECT, 'Allow: CONNECT\r\n');
  const target = targetOf(authority);
  if (target === undefined) {
    return refused('400 Bad Request', 'CONNECT needs a target as in example.com:443');
  }
  // The head ends with an empty line, also when it has no fields.
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd === -1) return MORE;
  const request = {
    command: 'connect',
    target,
    granted: Buffer.from(GRANTED),
    refusal: (failure: TunnelFailure, advice: string) => {
      const [status, error] = STATUS_OF[failure] ?? ['502 Bad Gateway', 'proxy_internal_error'];
      return encodeResponse(status, advice, `Proxy-Status: underpass; error=${error}\r\n`);
    },
  } as const;
  return { kind: 'request', request, bytesRead: headEnd + 4 };
}

function targetOf(authority: string): TcpTarget | undefined {
  const target = parseTarget(authority);
  return 'host' in target && isProxyTarget(target) ? target : undefined;
}

/** The status, and the error type of RFC 9209 §2.3. */
const STATUS_OF: Partial<Record<TunnelFailure, readonly [status: string, error: string]>> = {
  'not-allowed': ['403 Forbidden', 'destination_ip_prohibited'],
  'name-not-found': ['502 Bad Gateway', 'dns_error'],
  'connection-refused': ['502 Bad Gateway', 'connection_refused'],
  unreachable: ['502 Bad Gateway', 'destination_ip_unroutable'],
  'timed-out': ['504 Gateway Timeout', 'connection_timeout'],
  'relay-not-reached': ['504 Gateway Timeout', 'connection_timeout'],
  'too-many-streams': ['503 Service Unavailable', 'connection_limit_reached'],
};

function encodeResponse(status: string, text: string, fields = ''): Uint8Array {
  const body = Buffer.from(`underpass: ${text}\n`);
  const head = `HTTP/1.1 ${status}\r\n${fields}Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

function refused(status: string, reason: string, fields?: string): ProxyStep {
  return { kind: 'refused', reply: encodeResponse(status, reason, fields), reason };
}
