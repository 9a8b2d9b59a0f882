import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Enrolment, EnrolOptions } from '@underpass/client';
import { formatInviteLink, REQUEST_STATUSES } from '@underpass/forward';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { enrolError, isFinal, relayOf } from '../../src/commands/enrol.js';
import { savedRelay } from '../../src/config/saved-relays.js';
import { temporaryDirectory } from '../temporary-directory.js';
import { recordingLog } from './recording-log.js';

const answer = vi.hoisted(() => ({
  relayName: '',
  /** How an enrolment ends. Undefined if it succeeds. */
  outcome: undefined as unknown,
  /** The public key of each enrolment, as hexadecimal digits. */
  tried: [] as string[],
  presharedKey: new Uint8Array(32),
  /** The secret of the link, as the enrolment got it. */
  secret: new Uint8Array(32) as Uint8Array,
  /** Every private key that was drawn or read. */
  privateKeys: [] as Uint8Array[],
}));

/** A relay that enrols everybody as `laptop`. */
vi.mock('@underpass/client', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  enrol: ({ link, publicKey }: EnrolOptions) => {
    answer.secret = link.secret;
    answer.tried.push(Buffer.from(publicKey).toString('hex'));
    if (answer.outcome !== undefined) return Promise.resolve(answer.outcome);
    answer.presharedKey = new Uint8Array(32).fill(7);
    const { presharedKey, relayName } = answer;
    return Promise.resolve({ kind: 'enrolled', answer: { presharedKey, peerName: 'laptop', relayName } });
  },
}));
const waits = vi.hoisted(() => [] as string[]);
vi.mock('../../src/wait-progress.js', () => ({
  terminalProgress: () => ({
    begin: (what: string) => waits.push(what),
    end: () => waits.push('is over'),
  }),
}));
vi.mock('../../src/public-key.js', async (importOriginal) => {
  const module = await importOriginal<typeof import('../../src/public-key.js')>();
  return {
    ...module,
    publicKeyOf: (privateKey: Uint8Array) => {
      answer.privateKeys.push(privateKey);
      return module.publicKeyOf(privateKey);
    },
  };
});

const PLACE = 'relay.example.org:51820';
const linkTo = (host: string, seed = 1): string =>
  formatInviteLink({
    endpoint: { host, port: 51_820 },
    relayPublicKey: new Uint8Array(32).fill(seed),
    secret: new Uint8Array(32).fill(2),
  });
const KNOWN_LINK = linkTo('relay.example.org');

beforeEach(() => {
  Object.assign(answer, { outcome: undefined, relayName: '' });
  answer.tried.length = 0;
});

function lineOf(outcome: Exclude<Enrolment, { readonly kind: 'enrolled' }>): string {
  const { message, hint } = enrolError(outcome, PLACE);
  return `${message}: ${hint}`;
}

describe('the message of an enrolment that failed', () => {
  it.each<[Parameters<typeof lineOf>[0], string]>([
    [
      { kind: 'refused', status: 'invite-used' },
      'the link was used already: if that was not you, somebody else has it: tell whoever runs the relay, and ask for a new one',
    ],
    [
      { kind: 'refused', status: 'invite-expired' },
      'the link has expired: ask whoever runs the relay for a new one',
    ],
    [
      { kind: 'refused', status: 'not-allowed' },
      'the link was revoked: ask whoever runs the relay for a new one',
    ],
    [
      { kind: 'refused', status: 'malformed-request' },
      `the relay ${PLACE} does not know invites: its version is older than the link: update it`,
    ],
    [
      { kind: 'refused', status: 'internal-error' },
      `the relay ${PLACE} could not enrol this client (internal-error): its log says why; the link is still good, so try again after that`,
    ],
    [
      { kind: 'ended', cause: 'superseded' },
      'another client uses the same link at this moment: use each link on one machine only',
    ],
    [
      { kind: 'no-answer', wasReached: true, problem: undefined },
      `the relay ${PLACE} was reached, but its answer did not arrive: try again with the same link`,
    ],
    [
      { kind: 'no-answer', wasReached: false, problem: undefined },
      `no answer from ${PLACE}: the relay does not run, UDP does not reach it, or it does not know this link (revoked, used or expired over a week ago, or for another relay): check the relay, its firewall and its log, then try again with the same link`,
    ],
    [
      {
        kind: 'no-answer',
        wasReached: false,
        problem: { kind: 'not-listening', host: '192.0.2.1', port: 51_820, code: 'ECONNREFUSED' },
      },
      `no answer from ${PLACE}: 192.0.2.1 answers, but nothing listens on UDP 51820: start the relay, or check the port; a firewall that rejects packets looks the same, then try again with the same link`,
    ],
  ])('for %j says what happened and what to do', (outcome, line) => {
    expect(lineOf(outcome)).toBe(line);
  });

  it('is one line for every status', () => {
    for (const status of REQUEST_STATUSES) {
      if (status !== 'opened') expect(lineOf({ kind: 'refused', status })).toMatch(/^[^\n]{40,220}$/);
    }
  });
});

describe('the key of an enrolment that failed', () => {
  const refused = REQUEST_STATUSES.flatMap((status) =>
    status === 'opened' ? [] : [{ kind: 'refused', status } as const],
  );

  it('is kept unless the link is over (spec enrolment 5.1: "MUST NOT delete the key before the relay is saved")', () => {
    expect(refused.filter(isFinal).map(({ status }) => status)).toEqual([
      'not-allowed',
      'invite-used',
      'invite-expired',
    ]);
    expect(isFinal({ kind: 'ended', cause: 'removed' })).toBe(true);
    expect(isFinal({ kind: 'ended', cause: 'superseded' })).toBe(false);
    expect(isFinal({ kind: 'no-answer', wasReached: true, problem: undefined })).toBe(false);
  });
});

describe('an attempt to enrol', () => {
  beforeEach(() => {
    vi.stubEnv('XDG_CONFIG_HOME', temporaryDirectory());
    onTestFinished(() => void vi.unstubAllEnvs());
  });
  const enrol = (link = KNOWN_LINK, as?: string) => relayOf(link, as, async () => recordingLog());

  it('uses the same key again while the link is good, and a new one after that', async () => {
    answer.outcome = { kind: 'no-answer', wasReached: true, problem: undefined };
    for (const _ of [1, 2]) await expect(enrol()).rejects.toThrow('its answer did not arrive');
    answer.outcome = { kind: 'refused', status: 'invite-used' };
    await expect(enrol()).rejects.toThrow('the link was used already');
    answer.outcome = undefined;
    await enrol(KNOWN_LINK, 'home');
    await enrol(KNOWN_LINK, 'work');
    const [first = '', ...later] = answer.tried;
    expect(later.slice(0, 2)).toEqual([first, first]);
    expect(new Set(later.slice(1)).size).toBe(3);
  });

  it('is not made at a relay that is saved already, nor for a name that is taken, so that the link stays good', async () => {
    await enrol(KNOWN_LINK, 'home');
    answer.tried.length = 0;
    for (const as of [undefined, 'home']) {
      await expect(enrol(KNOWN_LINK, as)).rejects.toMatchObject({
        message: `this machine has enrolled at the relay ${PLACE} already, as home`,
        hint: 'use: underpass client home; to enrol a second time, choose another name with --as',
      });
    }
    await expect(enrol(linkTo('other.example.org', 3), 'home')).rejects.toMatchObject({
      message: 'home is another relay on this machine',
      hint: 'choose another name and try again with the same link: --as NAME',
    });
    expect(answer.tried).toEqual([]);
  });

  it('shows that it waits, until it has succeeded or failed', async () => {
    waits.length = 0;
    await enrol();
    answer.outcome = { kind: 'refused', status: 'invite-used' };
    await expect(enrol(KNOWN_LINK, 'home')).rejects.toThrow('used already');
    const wait = ['waiting for the relay', 'is over'];
    expect(waits).toEqual([...wait, ...wait]);
  });

  it('takes the link out of the list of processes', async () => {
    const { title } = process;
    process.title = `underpass client ${KNOWN_LINK}`;
    onTestFinished(() => {
      process.title = title;
    });
    await enrol();
    expect(process.title).toBe('underpass client');
  });

  it('is logged with the relay and the keys, and with the name that it led to', async () => {
    answer.relayName = 'vps';
    const log = recordingLog();
    const { file } = await relayOf(KNOWN_LINK, undefined, async () => log);
    const key = `${Buffer.from(answer.tried[0] ?? '', 'hex')
      .toString('base64')
      .slice(0, 8)}…`;
    expect(log.lines).toEqual([
      `info enrolling at ${PLACE} with the key ${key}`,
      'info enrolled as laptop and saved as vps: from now on, give that name in place of the link',
    ]);
    expect(log.fields).toEqual([
      { event: 'enrolling', relay: PLACE, publicKey: key },
      { event: 'enrolled', relay: PLACE, name: 'vps', peer: 'laptop', file },
    ]);
  });
});

describe('a relay that was enrolled at', () => {
  it.each([
    [undefined, 'vps', 'vps'],
    [undefined, '', 'relay.example.org'],
    ['home', 'vps', 'home'],
    [undefined, '', '2001-db8--1', '2001:db8::1'],
    [undefined, '', '1', '::1'],
    [undefined, '', 'relay', '::'],
    [undefined, '', `${'a'.repeat(63)}.`, `${'a'.repeat(63)}.${'b'.repeat(63)}`],
  ])('with --as %s and of the name %j is saved as %s', async (as, relayName, name, host?: string) => {
    vi.stubEnv('XDG_CONFIG_HOME', temporaryDirectory());
    onTestFinished(() => void vi.unstubAllEnvs());
    answer.relayName = relayName;
    const log = recordingLog();
    const saved = await relayOf(host === undefined ? KNOWN_LINK : linkTo(host), as, async () => log);
    expect(saved.name).toBe(name);
    expect(savedRelay(name)).toEqual(saved);
    expect(log.lines.at(-1)).toContain(`enrolled as laptop and saved as ${name}`);
  });
});

describe('the secrets of an enrolment', () => {
  it.each([
    ['it is saved', ''],
    ['the name is taken', 'vps.toml'],
    ['the relay cannot be saved', 'vps.psk'],
  ])('are wiped when %s', async (_when, inTheWay) => {
    const directory = temporaryDirectory();
    vi.stubEnv('XDG_CONFIG_HOME', directory);
    onTestFinished(() => void vi.unstubAllEnvs());
    answer.relayName = 'vps';
    answer.privateKeys.length = 0;
    const relays = path.join(directory, 'underpass', 'relays');
    mkdirSync(path.join(relays, inTheWay), { recursive: true, mode: 0o700 });
    const saving = relayOf(KNOWN_LINK, undefined, async () => recordingLog());
    if (inTheWay === '') await saving;
    else await expect(saving).rejects.toThrow('vps');
    const secrets = [answer.presharedKey, answer.secret, ...answer.privateKeys];
    expect(secrets.length).toBeGreaterThanOrEqual(3);
    for (const secret of secrets) expect(secret.every((byte) => byte === 0)).toBe(true);
  });
});

describe('an argument of underpass client', () => {
  const log = (): never => {
    throw new Error('nothing may be logged');
  };

  it.each([
    ['underpass://', undefined, 'the end of the link is missing'],
    [KNOWN_LINK.slice(0, -1), undefined, 'the end of the link is missing'],
    [KNOWN_LINK.replace('relay', 'rely'), undefined, 'the link was altered'],
    [`see ${KNOWN_LINK}`, undefined, 'this is not the link of an invite'],
    [KNOWN_LINK, '../x', "'../x' cannot be a relay's name"],
    ['nowhere', 'x', '--as only makes sense with a link'],
    ['nowhere', undefined, 'this machine knows no relay named nowhere'],
  ])('that is wrong is refused before anything is sent: %s', async (argument, as, message) => {
    await expect(relayOf(argument, as, log)).rejects.toThrow(message);
  });

  it('that was altered can be read from a file instead, in which a shell changes nothing', async () => {
    await expect(relayOf(KNOWN_LINK.replace('relay', 'rely'), undefined, log)).rejects.toMatchObject({
      hint: 'copy it again, or read it from a file: underpass client - < FILE',
    });
    await expect(relayOf('underpass://', undefined, log)).rejects.toMatchObject({
      hint: expect.not.stringContaining('FILE'),
    });
  });
});
