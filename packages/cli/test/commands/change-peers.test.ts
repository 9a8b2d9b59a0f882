import type { AllowRule } from '@underpass/forward';
import { beforeEach, describe, expect, it } from 'vitest';
import { runAllow, runRevoke } from '../../src/commands/change-peers.js';
import { ExitCode } from '../../src/exit-code.js';
import { removeStored } from '../../src/store/store-changes.js';
import { NOW, rules } from '../store/invites.js';
import { nobodyRuns, relayFilesWith, runRelayWith, storedBy } from './a-relay.js';
import { recordPrinted } from './printed.js';

let config = '';
let reloads: string[] = [];
let printed: () => string[];
beforeEach(async () => {
  nobodyRuns();
  config = relayFilesWith(NOW);
  reloads = [];
  await runRelayWith(config, reloads);
  printed = recordPrinted();
});

/** The rules of a peer, as they are stored. */
const mayOf = (name: string) => {
  const { allow, allowListen = [], maxRate } = storedBy(config, name) ?? { allow: [] };
  return [allow.map(({ text }) => text), allowListen.map(({ text }) => text), maxRate?.text];
};

describe('underpass allow', () => {
  it('adds rules behind those that are there, each once, tells the relay, and says what holds now', async () => {
    await runAllow('laptop', rules('db:5432', 'localhost:9000'), { config, listen: ['8080'] });
    expect(mayOf('laptop')).toEqual([['localhost:80', 'db:5432', 'localhost:9000'], ['8080'], undefined]);
    expect(reloads).toEqual([config]);
    expect(printed()).toEqual([
      'out laptop may reach localhost:80, db:5432, localhost:9000, and may listen on 8080',
    ]);
    await runAllow('laptop', [], { config, listen: ['8080', '9090'] });
    expect(mayOf('laptop')[1]).toEqual(['8080', '9090']);
  });

  it('sets the rate, keeps it beside other changes, and takes it away', async () => {
    const maxRate = { text: '5 MB/s', bytesPerSecond: 5e6 };
    await runAllow('laptop', [], { config, maxRate });
    expect(mayOf('laptop')).toEqual([['localhost:80', 'db:5432'], [], '5 MB/s']);
    await runAllow('phone', rules('db:1'), { config });
    expect(mayOf('phone')).toEqual([['localhost:22', 'db:1'], [], '10 MB/s']);
    await runAllow('phone', [], { config, maxRate: 'none' });
    expect(mayOf('phone')).toEqual([['localhost:22', 'db:1'], [], undefined]);
    expect(printed().at(-1)).toBe('out phone may reach localhost:22, db:1');
  });

  it('refuses to allow nothing, and says so before it looks for a relay', async () => {
    await expect(runAllow('laptop', [], { config: '/nowhere' })).rejects.toMatchObject({
      exitCode: ExitCode.usage,
      message: 'nothing to allow',
      hint: 'say what laptop may reach: HOST:PORT',
    });
    await expect(runAllow('laptop', [], { config, listen: ['nonsense'] })).rejects.toThrow('--listen: ');
    expect(reloads).toEqual([]);
  });
});

describe('underpass revoke', () => {
  it('removes some rules, and leaves the others and the rate', async () => {
    await runAllow('phone', rules('db:1'), { config, listen: ['8080', '9090'] });
    await runRevoke('phone', rules('localhost:22'), { config, listen: ['9090'] });
    expect(mayOf('phone')).toEqual([['db:1'], ['8080'], '10 MB/s']);
    expect(printed().at(-1)).toBe(
      'out phone may reach db:1, and may listen on 8080, at most 10 MB/s in each direction',
    );
    await runRevoke('phone', [], { config, listen: ['8080'] });
    expect(mayOf('phone')).toEqual([['db:1'], [], '10 MB/s']);
    expect(reloads).toHaveLength(3);
  });

  it.each([
    [['db:1'], [], 'laptop has no rule db:1', 'its rules of that kind: localhost:80, db:5432'],
    [['localhost:80', 'db:1'], [], 'laptop has no rule db:1', 'localhost:80, db:5432'],
    [[], ['8080'], 'laptop has no rule 8080', 'its rules of that kind: none'],
  ])('refuses to remove a rule that is not there: %j %j', async (texts, listen, message, hint) => {
    await expect(runRevoke('laptop', rules(...texts), { config, listen })).rejects.toMatchObject({
      exitCode: ExitCode.usage,
      message,
      hint: expect.stringContaining(hint),
    });
    expect(mayOf('laptop')[0]).toEqual(['localhost:80', 'db:5432']);
    expect(reloads).toEqual([]);
    await expect(runRevoke('laptop', [], { config, listen: ['nonsense'] })).rejects.toThrow('--listen: ');
  });

  it('removes an invite or a peer, and says what that means for whoever has it', async () => {
    await runRevoke('laptop', [], { config });
    expect([storedBy(config, 'laptop'), reloads]).toEqual([undefined, [config]]);
    expect(printed()).toEqual(["out laptop's link no longer works"]);
    await runRevoke('phone', [], { config });
    expect(storedBy(config, 'phone')).toBeUndefined();
    expect(printed()).toEqual([
      'out phone is no longer a peer: if it was connected, it was told and cut off',
    ]);
  });

  it('says that no relay runs if that is so', async () => {
    nobodyRuns();
    await runRevoke('laptop', [], { config });
    expect(printed()[0]).toBe(
      `err underpass: no relay of this user is running with ${config}: one that starts will know`,
    );
  });
});

describe('another command that removes the peer meanwhile', () => {
  const meanwhile = () => void removeStored(config.replace(/toml$/, 'd'), 'laptop');
  /** A rule whose text is looked at once the peer has been read. */
  const slowRule = (text: string) => {
    const [rule] = rules(text);
    return Object.defineProperty({ ...rule } as AllowRule, 'text', {
      get: () => {
        meanwhile();
        return text;
      },
    });
  };
  const none = {
    get length() {
      meanwhile();
      return 0;
    },
  } as unknown as AllowRule[];

  it.each([
    ['allow', () => runAllow('laptop', [slowRule('db:1')], { config })],
    ['revoke', () => runRevoke('laptop', none, { config })],
    ['revoke of a rule', () => runRevoke('laptop', [slowRule('db:5432')], { config })],
  ])('makes %s fail', async (_what, run) => {
    await expect(run()).rejects.toMatchObject({
      exitCode: ExitCode.failure,
      message: 'laptop was revoked by another command',
    });
    expect(reloads).toEqual([]);
    expect(printed()).toEqual([]);
  });
});
