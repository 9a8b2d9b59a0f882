/** Agents for `http.request` and `https.request` whose connections go through the tunnel. */
import http from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { UnderpassError } from '@underpass/runtime/errors';
import type { DialTarget, TunnelSocket } from './api.js';

export type Dial = (target: DialTarget) => TunnelSocket;

interface RequestOptions {
  readonly host?: string | null | undefined;
  readonly port?: string | number | null | undefined;
  readonly socketPath?: string | undefined;
}
type OnSocket = (error: Error | null, socket: Duplex) => void;

export function httpAgentOf(dial: Dial, options?: http.AgentOptions): http.Agent {
  const agent = new http.Agent(options);
  agent.createConnection = (request, onSocket) => {
    return attempt(() => dial(targetOf(request, 80)), onSocket as OnSocket | undefined);
  };
  return agent;
}

export function httpsAgentOf(dial: Dial, options?: https.AgentOptions): https.Agent {
  const agent = new https.Agent(options);
  agent.createConnection = (request, onSocket) => {
    const open = () => {
      const target = targetOf(request, 443);
      return tls.connect({ ...(request as tls.ConnectionOptions), socket: dial(target) });
    };
    return attempt(open, onSocket as OnSocket | undefined);
  };
  return agent;
}

/** `http.request` would throw what is thrown here; the callback makes it an `error` of the request. */
function attempt<T extends Duplex>(open: () => T, onSocket: OnSocket | undefined): T | undefined {
  try {
    return open();
  } catch (error) {
    if (onSocket === undefined) throw error;
    process.nextTick(onSocket, error);
    return undefined;
  }
}

function targetOf({ host, port, socketPath }: RequestOptions, defaultPort: number): DialTarget {
  if (socketPath) {
    throw new UnderpassError(
      'invalid-option',
      'an agent of a tunnel cannot use socketPath',
      "dial 'unix:/path'",
    );
  }
  return { host: host ?? 'localhost', port: Number(port ?? defaultPort) };
}
