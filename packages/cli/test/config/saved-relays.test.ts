import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { InviteLink } from '@underpass/forward';
import { beforeEach, describe, expect, it } from 'vitest';
import { loadClientConfig } from '../../src/config/client-config.js';
import {
  forgetKeyForEnrolment,
  keyForEnrolment,
  noRelayGiven,
  savedRelay,
  savedRelayWithKey,
  saveRelay,
} from '../../src/config/saved-relays.js';
import { isClamped } from '../../src/key-text.js';
import { publicKeyOf } from '../../src/public-key.js';
import { temporaryDirectory } from '../temporary-directory.js';

const link: InviteLink = {
  endpoint: { host: '2001:db8::1', port: 51_820 },
  relayPublicKey: publicKeyOf(new Uint8Array(32).fill(0x41)),
  secret: new Uint8Array(32).fill(3),
};
const presharedKey = new Uint8Array(32).fill(9);

let directory = '';
beforeEach(() => {
  directory = path.join(temporaryDirectory(), 'relays');
});

const save = (name: string) =>
  saveRelay({ name, link, privateKey: keyForEnrolment(link, directory), presharedKey }, directory);

describe('the key of a client that enrols', () => {
  it('is kept before it is used (spec enrolment 5.1: "MUST keep the private key on disk")', () => {
    const key = keyForEnrolment(link, directory);
    expect(isClamped(key)).toBe(true);
    const [file = ''] = readdirSync(directory);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(statSync(path.join(directory, file)).mode & 0o777).toBe(0o600);
    expect(file).not.toContain(Buffer.from(link.secret).toString('hex').slice(0, 8));
  });

  it('is the same for the same link (spec enrolment 5.1: "MUST use the same key")', () => {
    const key = keyForEnrolment(link, directory);
    expect(keyForEnrolment(link, directory)).toEqual(key);
    expect(keyForEnrolment({ ...link, secret: new Uint8Array(32) }, directory)).not.toEqual(key);
    forgetKeyForEnrolment(link, directory);
    expect(keyForEnrolment(link, directory)).not.toEqual(key);
  });

  it('says where it cannot be kept', () => {
    const file = path.join(temporaryDirectory(), 'file');
    writeFileSync(file, '');
    expect(() => keyForEnrolment(link, path.join(file, 'relays'))).toThrow(
      'it is not a directory, or something above it is not',
    );
  });

  it('is not drawn where the saved relay would be refused (spec enrolment 5.2: "or would not accept the config that it saves")', () => {
    mkdirSync(directory);
    chmodSync(directory, 0o777);
    expect(() => keyForEnrolment(link, directory)).toThrow(
      `the directory of saved relays ${directory} can be changed by other users`,
    );
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe('a saved relay', () => {
  it('is a client config with its keys', () => {
    const privateKey = keyForEnrolment(link, directory);
    expect(save('vps')).toEqual({ name: 'vps', file: path.join(directory, 'vps.toml') });
    const { file } = savedRelay('vps', directory);
    expect(loadClientConfig(file)).toMatchObject({
      relay: link.endpoint,
      relayPublicKey: link.relayPublicKey,
      privateKey,
      presharedKey,
      forwards: [],
    });
    expect(readFileSync(file, 'utf8')).toContain('underpass client vps');
    for (const name of ['vps.toml', 'vps.key', 'vps.psk']) {
      expect(statSync(path.join(directory, name)).mode & 0o777).toBe(0o600);
    }
  });

  it('does not replace another, but does replace the keys of one that was never complete', () => {
    mkdirSync(directory, { recursive: true });
    writeFileSync(path.join(directory, 'vps.key'), 'leftover');
    expect(save('vps')).toBeDefined();
    const before = readFileSync(path.join(directory, 'vps.key'), 'utf8');
    forgetKeyForEnrolment(link, directory);
    expect(save('vps')).toBeUndefined();
    expect(readFileSync(path.join(directory, 'vps.key'), 'utf8')).toBe(before);
  });

  it('is found by its public key, also beside configs that cannot be read', () => {
    expect(savedRelayWithKey(link.relayPublicKey, directory)).toBeUndefined();
    save('vps');
    writeFileSync(path.join(directory, 'broken.toml'), 'x = ');
    writeFileSync(path.join(directory, 'other.toml'), 'relay_public_key = "x"\n');
    expect(savedRelayWithKey(link.relayPublicKey, directory)?.name).toBe('vps');
    expect(savedRelayWithKey(new Uint8Array(32), directory)).toBeUndefined();
  });

  it('is listed, with the first others, when none is given', () => {
    const hint = () => noRelayGiven('or --config FILE', directory).hint;
    expect(hint()).toBe('give the name of a saved relay, or --config FILE');
    save('vps');
    expect(hint()).toBe('give the name of a saved relay (vps), or --config FILE');
    for (let i = 1; i < 8; i++) save(`other-${i}`);
    expect(hint()).toContain(' (other-1, other-2, other-3, other-4, other-5, other-6, other-7, vps), ');
    save('zoo');
    expect(hint()).toContain(', vps, …), ');
  });

  it('that is not known is refused, with those that are', () => {
    const messageFor = (name: string) => {
      try {
        savedRelay(name, directory);
      } catch (error) {
        const { message, hint } = error as { message: string; hint: string };
        return `${message}: ${hint}`;
      }
      return '';
    };
    expect(messageFor('vps')).toBe(
      'this machine knows no relay named vps: enrol at one first, with a link: underpass client LINK',
    );
    save('vps');
    expect(messageFor('vsp')).toBe('this machine knows no relay named vsp: did you mean vps?');
    expect(messageFor('elsewhere')).toBe(
      'this machine knows no relay named elsewhere: it knows vps; underpass client LINK enrols at another',
    );
    for (const link of ['underpass://192.0.2.1:51820/AQAB', 'UNDERPASS://x']) {
      expect(messageFor(link)).toBe(
        "the link of an invite is given instead of a saved relay's name: enrol with it first: underpass client LINK",
      );
    }
    for (const text of ['../../etc', 'https://example.org/x']) {
      expect(messageFor(text)).toBe(
        `'${text}' is neither a link nor the name of a saved relay: the link of an invite starts with underpass://`,
      );
    }
  });
});
