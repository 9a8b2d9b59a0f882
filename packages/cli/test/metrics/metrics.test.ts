import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request as httpRequest, type RequestListener, type ServerOptions } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type Log, silentLog } from '@underpass/runtime';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { ListenAddress } from '../../src/host-port.js';
import {
  MAX_METRIC_ERROR_CODES,
  MAX_METRIC_PEERS,
  MAX_METRICS_CONNECTIONS,
  METRICS_REQUEST_TIMEOUT_MS,
} from '../../src/metrics/metrics-limits.js';
import { MetricsRegistry, OTHER_PEERS } from '../../src/metrics/metrics-registry.js';
import { MetricsServer } from '../../src/metrics/metrics-server.js';
import { StreamCounts } from '../../src/metrics/stream-counts.js';
import { recordingLog } from '../commands/recording-log.js';
import { aClient, aPeer, aRelay } from '../control/reports.js';

const settings = vi.hoisted((): object[] => []);
vi.mock('node:http', async (original) => {
  const http = await original<typeof import('node:http')>();
  const createServer = (options: ServerOptions, listener: RequestListener) => {
    settings.push(options);
    return http.createServer(options, listener);
  };
  return { ...http, createServer };
});

/** The lines of our own metrics. */
async function linesOf(report = aRelay(), counts = new StreamCounts()): Promise<string[]> {
  const text = await new MetricsRegistry({ report: () => report, counts }).render();
  return text.split('\n').filter((line) => line.startsWith('underpass_'));
}

describe('the metrics', () => {
  it('describe the process and each peer', async () => {
    const lines = await linesOf();
    expect(lines).toContain(
      'underpass_info{kind="relay",name="relay",version="0.1.0",suite="sodium",socket="native"} 1',
    );
    expect(lines).toContain('underpass_peers{state="configured"} 2');
    expect(lines).toContain('underpass_peers{state="connected"} 1');
    expect(lines).toContain('underpass_peer_stream_bytes_sent_total{peer="laptop"} 800000');
    expect(lines).toContain('underpass_peer_round_trip_seconds{peer="laptop"} 0.012345');
    expect(lines).toContain('underpass_peer_waiting_seconds{peer="laptop"} 0');
  });

  it('describe a client and its relay', async () => {
    const text = await new MetricsRegistry({ report: () => aClient(), counts: new StreamCounts() }).render();
    expect(text).toContain('underpass_info{kind="client"');
    expect(text).toContain('underpass_peer_connected{peer="vps"} 1');
    expect(text).toContain('underpass_peers{state="configured"} 1\n');
  });

  it('include those of the Node process', async () => {
    const text = await new MetricsRegistry({ report: () => aRelay(), counts: new StreamCounts() }).render();
    expect(text).toContain('\nprocess_resident_memory_bytes ');
  });

  it('leave out what is not known', async () => {
    const lines = await linesOf(aRelay({ peers: [aPeer({ smoothedRttMs: undefined })] }));
    expect(lines.filter((line) => line.includes('round_trip'))).toEqual([]);
  });

  it('count connections by how they ended', async () => {
    const counts = new StreamCounts();
    counts.onEvent({ type: 'stream-opened' });
    counts.onEvent({ type: 'stream-opened' });
    counts.onEvent({ type: 'stream-closed', clean: true });
    counts.onEvent({ type: 'stream-closed', clean: false });
    counts.onEvent({ type: 'stream-closed' }); // nobody knows how
    counts.onEvent({ type: 'refused', status: 'not-allowed' });
    counts.onEvent({ type: 'refused', status: 'not-allowed' });
    counts.onEvent({ type: 'refused', status: 'name-not-found' });
    counts.onEvent({ type: 'refused' });
    counts.onEvent({ type: 'moved', status: 'timed-out' });
    const lines = await linesOf(aRelay(), counts);
    expect(lines).toContain('underpass_streams_opened_total 2');
    expect(lines).toContain('underpass_streams_closed_total{how="clean"} 2');
    expect(lines).toContain('underpass_streams_closed_total{how="broken"} 1');
    expect(lines.filter((line) => line.includes('refused'))).toEqual([
      'underpass_streams_refused_total{status="not-allowed"} 2',
      'underpass_streams_refused_total{status="name-not-found"} 1',
    ]);
  });

  it('count the visitors of reverse forwards among the connections', async () => {
    const counts = new StreamCounts();
    counts.onEvent({ type: 'visitor-opened' });
    counts.onEvent({ type: 'visitor-opened' });
    counts.onEvent({ type: 'visitor-closed', clean: true });
    counts.onEvent({ type: 'visitor-closed', clean: false });
    counts.onEvent({ type: 'visitor-refused', status: 'timed-out' });
    const lines = await linesOf(aRelay(), counts);
    expect(lines.filter((line) => line.startsWith('underpass_streams'))).toEqual([
      'underpass_streams_opened_total 2',
      'underpass_streams_refused_total{status="timed-out"} 1',
      'underpass_streams_closed_total{how="clean"} 1',
      'underpass_streams_closed_total{how="broken"} 1',
    ]);
  });

  it('count the UDP messages of a peer by what became of them', async () => {
    const lines = await linesOf(aRelay({ peers: [aPeer({ name: 'laptop' })] }));
    expect(lines).toContain('underpass_peer_messages_total{peer="laptop",how="sent"} 30');
    expect(lines).toContain('underpass_peer_messages_total{peer="laptop",how="receiveQueueFull"} 5');
  });

  it('have series for a limited number of peers, and add up the others', async () => {
    const peers = Array.from({ length: MAX_METRIC_PEERS + 3 }, (_, i) =>
      aPeer({ name: `peer${i}`, publicKey: String(i), packetsLost: 7 }),
    );
    const lines = (await linesOf(aRelay({ peers }))).filter((line) => line.includes('packets_lost'));
    expect(lines).toHaveLength(MAX_METRIC_PEERS + 1);
    expect(lines.at(-1)).toBe(`underpass_peer_packets_lost_total{peer="${OTHER_PEERS}"} 21`);
  });

  it('have a series of each fact about a peer', async () => {
    const numbers = {
      handshakes: 2,
      datagramsSent: 3,
      datagramsReceived: 4,
      bytesSent: 5,
      bytesReceived: 6,
      streamBytesSent: 7,
      streamBytesReceived: 8,
      packetsSent: 9,
      packetsLost: 10,
      openStreams: 11,
    };
    const peers = [aPeer({ ...numbers, waitingMs: 1500, smoothedRttMs: 20 })];
    const lines = (await linesOf(aRelay({ peers }))).filter((line) => /_peer_(?!messages)/.test(line));
    expect(lines.map((line) => line.replace('underpass_peer_', '').replace('{peer="laptop"}', ''))).toEqual([
      'connected 1',
      'waiting_seconds 1.5',
      'open_streams 11',
      'round_trip_seconds 0.02',
      'handshakes_total 2',
      'datagrams_sent_total 3',
      'datagrams_received_total 4',
      'bytes_sent_total 5',
      'bytes_received_total 6',
      'stream_bytes_sent_total 7',
      'stream_bytes_received_total 8',
      'packets_sent_total 9',
      'packets_lost_total 10',
    ]);
  });

  it('add up each fact about the peers without series of their own, and take none of the others for them', async () => {
    const own = Array.from({ length: MAX_METRIC_PEERS }, (_, i) => aPeer({ name: `peer${i}` }));
    const about = (first: number) => {
      const numbers = Array.from({ length: 17 }, (_, i) => first + i);
      const take = () => numbers.shift() as number;
      return aPeer({
        ...{ openStreams: take(), handshakes: take(), datagramsSent: take(), datagramsReceived: take() },
        ...{ bytesSent: take(), bytesReceived: take(), streamBytesSent: take(), streamBytesReceived: take() },
        ...{ packetsSent: take(), packetsLost: take() },
        messages: {
          ...{ sent: take(), received: take(), tooLarge: take(), sendQueueFull: take(), expired: take() },
          ...{ withoutFlow: take(), receiveQueueFull: take() },
        },
        waitingMs: 5000,
      });
    };
    const lines = await linesOf(aRelay({ peers: [...own, about(100), about(1000)] }));
    const others = lines.filter((line) => line.includes(OTHER_PEERS));
    expect(
      others.map((line) => line.replace(/^underpass_peer_|peer="[^"]*",?/g, '').replace('{}', '')),
    ).toEqual([
      'connected 1',
      'waiting_seconds 0',
      'open_streams 1100',
      'handshakes_total 1102',
      'datagrams_sent_total 1104',
      'datagrams_received_total 1106',
      'bytes_sent_total 1108',
      'bytes_received_total 1110',
      'stream_bytes_sent_total 1112',
      'stream_bytes_received_total 1114',
      'packets_sent_total 1116',
      'packets_lost_total 1118',
      'messages_total{how="sent"} 1120',
      'messages_total{how="received"} 1122',
      'messages_total{how="tooLarge"} 1124',
      'messages_total{how="sendQueueFull"} 1126',
      'messages_total{how="expired"} 1128',
      'messages_total{how="withoutFlow"} 1130',
      'messages_total{how="receiveQueueFull"} 1132',
    ]);
  });

  it('are what the manual lists, those that only grow are counters, and each is explained', async () => {
    const manual = readFileSync(new URL('../../../../docs/cli.md', import.meta.url), 'utf8');
    const listed = new Set(manual.match(/(?<=`)underpass_\w+(?=`)/g));
    const text = await new MetricsRegistry({ report: () => aRelay(), counts: new StreamCounts() }).render();
    const types = [...text.matchAll(/^# TYPE (underpass_\w+) (\w+)$/gm)].map(([, name, type]) => [
      name,
      type,
    ]);
    expect(new Set(types.map(([name]) => name))).toEqual(listed);
    for (const [name = '', type] of types) {
      expect([name, type]).toEqual([name, name.endsWith('_total') ? 'counter' : 'gauge']);
    }
    const helps = [...text.matchAll(/^# HELP underpass_\w+ (.+)$/gm)].map(([, help]) => help);
    expect([helps.length, new Set(helps).size]).toEqual([types.length, types.length]);
  });

  it('count every peer by its state, also those without series of their own', async () => {
    const peers = Array.from({ length: MAX_METRIC_PEERS + 4 }, (_, i) =>
      aPeer({ name: `peer${i}`, connected: i % 2 === 1, waitingMs: i % 4 === 3 ? 0 : undefined }),
    );
    const lines = await linesOf(aRelay({ peers, peersConfigured: 9999 }));
    expect(lines.filter((line) => line.startsWith('underpass_peers{'))).toEqual([
      'underpass_peers{state="configured"} 9999',
      `underpass_peers{state="connected"} ${peers.length / 2}`,
      `underpass_peers{state="waiting"} ${peers.length / 4}`,
    ]);
    const others = lines.filter((line) => line.includes(OTHER_PEERS));
    expect(others).toContain(`underpass_peer_connected{peer="${OTHER_PEERS}"} 1`);
    expect(others).toContain(`underpass_peer_open_streams{peer="${OTHER_PEERS}"} 4`);
    expect((await linesOf(aRelay({ peers: peers.slice(4) }))).join()).not.toContain(OTHER_PEERS);
  });

  it('forget what is over: a scrape has no series of a peer that has gone', async () => {
    let names = ['old', 'laptop'];
    const report = () => aRelay({ peers: names.map((name) => aPeer({ name })) });
    const registry = new MetricsRegistry({ report, counts: new StreamCounts() });
    expect(await registry.render()).toContain('underpass_peer_connected{peer="old"} 1');
    names = ['laptop'];
    const text = await registry.render();
    expect(text).not.toContain('peer="old"');
    expect(text).toContain('underpass_peer_connected{peer="laptop"} 1');
    expect(registry.contentType).toMatch(/^text\/plain; version=/);
  });

  it('have series for a limited number of errors', async () => {
    const sendErrors = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`E${i}`, 1]));
    const lines = (await linesOf(aRelay({ sendErrors }))).filter((line) => line.includes('send_errors'));
    expect(lines).toHaveLength(MAX_METRIC_ERROR_CODES);
  });

  it('are read again for each scrape', async () => {
    let drops: Readonly<Record<string, number>> = { malformed: 1 };
    const registry = new MetricsRegistry({ report: () => aRelay({ drops }), counts: new StreamCounts() });
    expect(await registry.render()).toContain('underpass_drops_total{reason="malformed"} 1');
    drops = { malformed: 5 };
    expect(await registry.render()).toContain('underpass_drops_total{reason="malformed"} 5');
  });
});

async function open(listen: ListenAddress = { port: 0 }, log: Log = silentLog): Promise<MetricsServer> {
  const server = await MetricsServer.open(listen, log);
  onTestFinished(() => server.close());
  return server;
}

async function get(
  server: MetricsServer,
  path: string,
  options: { readonly method?: string; readonly host?: string } = {},
): Promise<{ readonly status: number | undefined; readonly text: string }> {
  const { port } = server.address;
  const headers = options.host === undefined ? {} : { host: options.host };
  const request = httpRequest({ port, host: '127.0.0.1', path, method: options.method ?? 'GET', headers });
  request.end();
  const [response] = (await once(request, 'response')) as [AsyncIterable<Buffer> & { statusCode?: number }];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode, text: String(Buffer.concat(chunks)) };
}

describe('the metrics port', () => {
  it('is on loopback unless it is told otherwise', async () => {
    expect((await open()).address.address).toBe('127.0.0.1');
  });

  it('answers 503 until the process has started, then with metrics', async () => {
    const server = await open();
    expect(await get(server, '/metrics')).toEqual({ status: 503, text: 'starting\n' });
    expect(await get(server, '/healthz')).toEqual({ status: 503, text: 'starting\n' });
    await server.serve(() => aRelay());
    expect((await get(server, '/metrics')).text).toContain('underpass_peers{state="configured"} 2');
    expect(await get(server, '/healthz')).toEqual({ status: 200, text: 'ok\n' });
    expect(await get(server, '/')).toEqual({ status: 404, text: 'there are /metrics and /healthz\n' });
    expect((await get(server, '/metrics', { method: 'POST' })).status).toBe(405);
    expect(await get(server, '/healthz?from=probe', { method: 'HEAD' })).toEqual({ status: 200, text: '' });
  });

  it('is in the log, so that a port of the system can be found', async () => {
    const log = recordingLog();
    const { address, port } = (await open({ port: 0 }, log)).address;
    expect(log.lines).toEqual([`info metrics at http://127.0.0.1:${port}/metrics`]);
    expect(log.fields).toEqual([{ event: 'metrics', address, port }]);
  });

  it('is reached by the name that it listens on, and by no other', async () => {
    const server = await open({ host: 'LOCALHOST', port: 0 });
    expect((await get(server, '/', { host: 'LOCALHOST' })).status).toBe(404);
    const refused = await get(server, '/metrics', { host: 'localhost.attacker.example' });
    expect(refused).toEqual({ status: 403, text: 'use the address and not a name\n' });
  });

  it('ends what is connected to it when it closes, so that nothing keeps the process alive', async () => {
    const server = await open();
    const socket = connect(server.address.port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connect');
    socket.write('GET /metrics HTTP/1.1\r\n');
    const ended = new Promise((resolve) => socket.on('error', () => undefined).on('close', resolve));
    socket.resume();
    server.close();
    await ended;
  });

  it('does not keep the process alive', async () => {
    const servers = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap').length;
    const before = servers();
    await open();
    expect(servers()).toBeLessThanOrEqual(before);
  });

  it('gives a request a limited time, so that nobody keeps one of the few connections', async () => {
    await open();
    const { connectionsCheckingInterval = 0, ...limits } = settings.at(-1) as ServerOptions;
    expect(limits).toEqual({
      headersTimeout: METRICS_REQUEST_TIMEOUT_MS,
      requestTimeout: METRICS_REQUEST_TIMEOUT_MS,
    });
    expect(connectionsCheckingInterval).toBeLessThan(METRICS_REQUEST_TIMEOUT_MS);
  });

  it('keeps no connection after an answer, because there are few', async () => {
    const server = await open();
    const { headers } = await fetch(`http://127.0.0.1:${server.address.port}/metrics`);
    expect(headers.get('connection')).toBe('close');
  });

  it('says which format the metrics have, as scrapers ask for', async () => {
    const server = await open();
    await server.serve(() => aRelay());
    const { headers } = await fetch(`http://127.0.0.1:${server.address.port}/metrics`);
    expect(headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4(;|$)/);
  });

  it.each([
    [{}, 200, 'ok'],
    [{ connected: false }, 503, 'not connected to the relay'],
    [{ waitingMs: 5000 }, 503, 'the relay does not answer'],
  ])('says whether a client does its work (%#)', async (relay, status, text) => {
    const server = await open();
    await server.serve(() => aClient({ relay: aPeer(relay) }));
    expect(await get(server, '/healthz')).toEqual({ status, text: `${text}\n` });
  });

  it.each([
    ['localhost:9464', 404],
    ['[::1]:9464', 404],
    ['10.0.0.1', 404],
    ['attacker.example:9464', 403],
  ])('answers a request for the host %s with %i', async (host, status) => {
    expect((await get(await open(), '/', { host })).status).toBe(status);
  });

  it('reports a bug of ours as a failure, and goes on', async () => {
    const log = recordingLog();
    const server = await open({ port: 0 }, log);
    let isBroken = true;
    await server.serve(() => {
      if (isBroken) throw new Error('a bug');
      return aRelay();
    });
    const failure = { status: 500, text: 'the metrics cannot be read: see the log\n' };
    expect(await get(server, '/metrics')).toEqual(failure);
    expect((await get(server, '/healthz')).status).toBe(500);
    expect(log.lines[1]).toBe('error the metrics cannot be read: Error: a bug');
    expect(log.fields[1]).toEqual({ event: 'metrics-failed' });
    isBroken = false;
    expect((await get(server, '/metrics')).status).toBe(200);
  });

  it('in use is reported', async () => {
    const { address, port } = (await open()).address;
    await expect(MetricsServer.open({ host: address, port }, silentLog)).rejects.toThrow(`${port} is in use`);
  });

  it('refuses connections beyond its limit, and serves again once another has ended', async () => {
    const server = await open();
    const sockets: Socket[] = [];
    for (let i = 0; i < MAX_METRICS_CONNECTIONS; i++) {
      const socket = connect(server.address.port, '127.0.0.1');
      onTestFinished(() => void socket.destroy());
      await once(socket, 'connect');
      sockets.push(socket);
    }
    await expect(get(server, '/healthz')).rejects.toThrow();
    for (const socket of sockets) socket.destroy();
    for (;;) {
      const answer = await get(server, '/healthz').catch(() => undefined);
      if (answer !== undefined) break; // the server notices the end of the others a turn later
    }
  });
});
