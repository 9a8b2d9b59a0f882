/** Checks that a key that was written to a file can be wiped: no copy of it is left, and none of its text. */
import { randomFillSync } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { canSearchMemory, copiesInMemory, keyToLookFor } from '@underpass/testkit/crypto';
import { expect, it } from 'vitest';
import { saveRelay } from '../src/config/saved-relays.js';
import { readKeyFile, writeKeyFile } from '../src/key-file.js';
import { encodeKeyBytes, KEY_BYTES, KEY_TEXT_BYTES } from '../src/key-text.js';
import { addEnrolled } from '../src/store/store-changes.js';
import { publicKey } from './store/invites.js';
import { temporaryDirectory } from './temporary-directory.js';

const LINK = {
  endpoint: { host: 'relay.example', port: 51_820 },
  relayPublicKey: publicKey(1),
  secret: new Uint8Array(KEY_BYTES),
};

it.skipIf(!canSearchMemory).each<[string, (directory: string, key: Uint8Array) => void]>([
  ['is written', (directory, key) => writeKeyFile(path.join(directory, 'relay.key'), key)],
  [
    'is written and read',
    (directory, key) => {
      const file = path.join(directory, 'relay.key');
      writeKeyFile(file, key);
      readKeyFile(file).fill(0);
    },
  ],
  [
    'could not be written',
    (directory, key) => expect(() => writeKeyFile(path.join(directory, 'no', 'relay.key'), key)).toThrow(),
  ],
  ['comes with an enrolment', (directory, key) => saveRelay(relayWith(key), directory)],
  [
    'goes to a client that enrols',
    (directory, presharedKey) => {
      mkdirSync(path.join(directory, 'laptop'));
      addEnrolled(directory, 'laptop', { publicKey: publicKey(2), presharedKey });
    },
  ],
])('a key that %s leaves no copy and no text in memory', (_, use) => {
  const key = randomFillSync(new Uint8Array(new ArrayBuffer(KEY_BYTES)));
  const text = encodeKeyBytes(key);
  const [soughtKey, soughtText] = [keyToLookFor(key), keyToLookFor(text)];
  text.fill(0);
  use(temporaryDirectory(), key);
  key.fill(0);
  expect([copiesInMemory(soughtKey), copiesInMemory(soughtText, KEY_TEXT_BYTES)]).toEqual([0, 0]);
});

function relayWith(key: Uint8Array) {
  return { name: 'home', link: LINK, privateKey: new Uint8Array(KEY_BYTES), presharedKey: key };
}
