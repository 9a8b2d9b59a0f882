/** `underpass invite` as a whole: what is stored, told and printed. */
import { rmSync, writeFileSync } from 'node:fs';
import { oneTimeKeys, parseInviteLink, parseListenRule } from '@underpass/forward';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { runInvite } from '../../src/commands/invite.js';
import { runPeers } from '../../src/commands/peers.js';
import { ExitCode } from '../../src/exit-code.js';
import { publicKeyOf } from '../../src/public-key.js';
import { aPeer } from '../control/reports.js';
import { NOW, rules } from '../store/invites.js';
import { nobodyRuns, RELAY_KEY, relayFilesWith, runRelayWith, storedBy } from './a-relay.js';
import { recordPrinted } from './printed.js';

const stage = vi.hoisted(() => ({
  outputFailure: undefined as Error | undefined,
  /** The secrets of the links, and the keys derived from them. */
  secrets: [] as Uint8Array[],
}));
vi.mock('@underpass/forward', async (original) => {
  const forward = await original<typeof import('@underpass/forward')>();
  const keysOf: typeof forward.oneTimeKeys = (secret, relayPublicKey) => {
    const keys = forward.oneTimeKeys(secret, relayPublicKey);
    stage.secrets.push(secret, keys.privateKey, keys.presharedKey);
    return keys;
  };
  return { ...forward, oneTimeKeys: keysOf };
});
vi.mock('../../src/terminal.js', async (original) => {
  const terminal = await original<typeof import('../../src/terminal.js')>();
  const settleOutput: typeof terminal.settleOutput = async () => {
    await new Promise(setImmediate);
    return stage.outputFailure ?? terminal.settleOutput();
  };
  return { ...terminal, settleOutput };
});

const isWiped = (bytes: Uint8Array) => bytes.length === 32 && bytes.every((byte) => byte === 0);
const HOUR_MS = 3_600_000;
const ENDPOINT = { host: 'vpn.example.org', port: 4242 };

let config = '';
let reloads: string[] = [];
let printed: () => string[];
beforeEach(() => {
  nobodyRuns();
  config = relayFilesWith(NOW);
  reloads = [];
  printed = recordPrinted();
});

/** The link among what was printed. */
function linkIn(lines: readonly string[]) {
  const text = lines.find((line) => line.startsWith('out underpass://'))?.slice(4) ?? '';
  const link = parseInviteLink(text);
  if (typeof link === 'string') throw new Error(`${link}: ${text}`);
  return link;
}

describe('underpass invite', () => {
  it('stores what the link is good for, tells the relay, and prints the link alone on standard output', async () => {
    await runRelayWith(config, reloads);
    const flags = {
      allow: rules('localhost:80'),
      allowListen: ['8080'],
      maxRate: { text: '5 MB/s', bytesPerSecond: 5e6 },
      expires: HOUR_MS,
    };
    await runInvite('tablet', { ...flags, endpoint: ENDPOINT, config }, NOW);
    const lines = printed();
    const link = linkIn(lines);
    expect(link).toMatchObject({ endpoint: ENDPOINT, relayPublicKey: publicKeyOf(RELAY_KEY) });
    const keys = oneTimeKeys(link.secret, publicKeyOf(RELAY_KEY));
    expect(storedBy(config, 'tablet')).toMatchObject({
      allow: [{ text: 'localhost:80' }],
      allowListen: [parseListenRule('8080')],
      maxRate: { text: '5 MB/s' },
      invite: { publicKey: publicKeyOf(keys.privateKey), expiresAtMs: NOW + HOUR_MS },
      enrolled: undefined,
    });
    expect(storedBy(config, 'tablet')?.invite.presharedKey).toEqual(keys.presharedKey);
    expect(reloads).toEqual([config]);
    expect(lines.slice(1)).toEqual([
      'err underpass: tablet may reach localhost:80, and may listen on 8080, at most 5 MB/s in each direction; the link works once, until 2026-01-31 13:00 UTC, and anybody who sees it before can use it',
    ]);
  });

  it('lasts for a day unless told otherwise, and needs no limit of the rate', async () => {
    await runInvite('tablet', { allowListen: ['8080'], endpoint: ENDPOINT, config }, NOW);
    expect(storedBy(config, 'tablet')).toMatchObject({
      allow: [],
      invite: { expiresAtMs: NOW + 24 * HOUR_MS },
    });
    expect(storedBy(config, 'tablet')).not.toHaveProperty('maxRate');
    expect(printed()[0]).toMatch(/^err underpass: no relay of this user is running with /);
  });

  it('has a QR code before the link, if asked', async () => {
    const flags = { allow: rules('localhost:80'), endpoint: ENDPOINT, config };
    await runInvite('tablet', { ...flags, qr: true }, NOW);
    const withQr = printed().filter((line) => line.startsWith('out '));
    expect([withQr.length, withQr[0]?.includes('▄'), linkIn(withQr).endpoint]).toEqual([2, true, ENDPOINT]);
    await runInvite('watch', flags, NOW);
    expect(printed().filter((line) => line.startsWith('out '))).toHaveLength(1);
  });

  it.each([
    ['a name that no peer can have', '-x', {}, "'-x' cannot be a peer's name"],
    ['nothing that it may reach', 'tablet', { allow: [] }, 'nothing is allowed for tablet'],
    ['a wrong place to listen', 'tablet', { allowListen: ['nonsense'] }, '--allow-listen: '],
  ])('refuses %s', async (_what, name, flags, message) => {
    const all = { allow: rules('localhost:80'), endpoint: ENDPOINT, config, ...flags };
    await expect(runInvite(name, all, NOW)).rejects.toMatchObject({
      exitCode: ExitCode.usage,
      message: expect.stringContaining(message),
    });
    expect([storedBy(config, name), printed()]).toEqual([undefined, []]);
  });

  it('says of a name with a wrong start what a name starts with', async () => {
    const flags = { allow: rules('localhost:80'), endpoint: ENDPOINT, config };
    await expect(runInvite('.x', flags, NOW)).rejects.toMatchObject({
      hint: expect.stringContaining('of which the first is a letter or digit'),
    });
  });

  it('refuses a name that is taken, without telling the relay', async () => {
    await runRelayWith(config, reloads);
    const flags = { allow: rules('localhost:80'), endpoint: ENDPOINT, config };
    await expect(runInvite('phone', flags, NOW)).rejects.toThrow('phone is taken: it is enrolled');
    expect([reloads, printed()]).toEqual([[], []]);
  });

  it('keeps no secret of a link', async () => {
    stage.secrets.length = 0;
    await runInvite('tablet', { allow: rules('localhost:80'), endpoint: ENDPOINT, config }, NOW);
    expect(stage.secrets).toEqual(Array(3).fill(expect.toSatisfy(isWiped)));
    printed();
  });

  it('withdraws the invite if its link cannot be written, because nobody has it then', async () => {
    stage.outputFailure = Object.assign(new Error('full'), { code: 'ENOSPC' });
    onTestFinished(() => {
      stage.outputFailure = undefined;
    });
    const flags = { allow: rules('localhost:80'), endpoint: ENDPOINT, config };
    await expect(runInvite('tablet', flags, NOW)).rejects.toMatchObject({
      message: 'cannot write the link to standard output: no space left',
      hint: 'the invite was withdrawn: run the command again where its output can be written',
      cause: { code: 'ENOSPC' },
    });
    expect(storedBy(config, 'tablet')).toBeUndefined();
  });

  it('withdraws the invite if the relay does not take it', async () => {
    await runRelayWith(config, reloads, {}, 'the store cannot be read');
    const flags = { allow: rules('localhost:80'), endpoint: ENDPOINT, config };
    await expect(runInvite('tablet', flags, NOW)).rejects.toThrow('the store cannot be read');
    expect([storedBy(config, 'tablet'), printed()]).toEqual([undefined, []]);
  });
});

describe('the endpoint in a link', () => {
  const inConfig = 'endpoint = "config.example.org:1"\n';
  const running = { listen: '0.0.0.0:51820', endpoint: 'running.example.org:2' };

  it.each([
    ['of the command line comes first', inConfig, running, ENDPOINT, ENDPOINT],
    [
      'of the running relay comes next',
      inConfig,
      running,
      undefined,
      { host: 'running.example.org', port: 2 },
    ],
    [
      'of the config counts if the running relay was told none',
      inConfig,
      { listen: '192.0.2.1:9' },
      undefined,
      { host: 'config.example.org', port: 1 },
    ],
    [
      'may be the public address on which the relay listens',
      '',
      { listen: '9.9.9.9:7' },
      undefined,
      { host: '9.9.9.9', port: 7 },
    ],
  ])('%s', async (_what, text, report, endpoint, expected) => {
    config = relayFilesWith(NOW, text);
    await runRelayWith(config, reloads, report);
    const flags = { allow: rules('localhost:80'), config, ...(endpoint && { endpoint }) };
    await runInvite('tablet', flags, NOW);
    expect(linkIn(printed()).endpoint).toEqual(expected);
  });

  it('is unknown while a relay with a port of the system does not run', async () => {
    config = relayFilesWith(NOW, '', '9.9.9.9:0');
    await expect(runInvite('tablet', { allow: rules('localhost:80'), config }, NOW)).rejects.toMatchObject({
      exitCode: ExitCode.config,
      message: `cannot tell where clients reach this relay: ${config} leaves the port to the system, and the relay is not running`,
      hint: 'start it, or give --endpoint HOST:PORT',
    });
    await runRelayWith(config, reloads, { listen: '9.9.9.9:4000' });
    await runInvite('tablet', { allow: rules('localhost:80'), config }, NOW);
    expect(linkIn(printed()).endpoint).toEqual({ host: '9.9.9.9', port: 4000 });
  });

  it('is where the config has the relay listen, while it does not run', async () => {
    config = relayFilesWith(NOW, '', '9.9.9.9:4000');
    await runInvite('tablet', { allow: rules('localhost:80'), config }, NOW);
    expect(linkIn(printed()).endpoint).toEqual({ host: '9.9.9.9', port: 4000 });
  });
});

describe('underpass peers', () => {
  it('asks the running relay, and prints a table or JSON', async () => {
    await runRelayWith(config, reloads, { peers: [aPeer({ name: 'phone', address: '203.0.113.7:4242' })] });
    await runPeers({ config }, NOW);
    expect(printed().map((line) => line.split('\n'))).toEqual([
      [
        expect.stringMatching(/^out NAME +STATE +LAST CONTACT/),
        expect.stringMatching(/^laptop +invite expired +-/),
        expect.stringMatching(/^phone +connected from 203\.0\.113\.7:4242 +1\.5 s ago/),
        expect.stringMatching(/^server +enrolled +-/),
      ],
    ]);
    await runPeers({ config, json: true }, NOW);
    const [line = ''] = printed();
    expect(JSON.parse(line.slice(4)).map(({ name, state }: Record<string, string>) => [name, state])).toEqual(
      [
        ['laptop', 'invite-expired'],
        ['phone', 'connected'],
        ['server', 'enrolled'],
      ],
    );
  });

  it('works while no relay runs', async () => {
    await runPeers({ config }, NOW);
    expect(printed()[0]).toMatch(/phone +enrolled +-/);
  });

  it('says how to begin if nobody can connect yet', async () => {
    rmSync(config.replace(/toml$/, 'd'), { recursive: true });
    writeFileSync(config, 'listen = "51820"\nprivate_key_file = "relay.key"\n');
    await runPeers({ config }, NOW);
    expect(printed()).toEqual([
      'out nobody can connect yet: underpass invite NAME --allow TARGET makes a link for a client',
    ]);
  });
});
