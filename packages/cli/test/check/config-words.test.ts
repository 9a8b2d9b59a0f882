import { parseReverseForwards } from '@underpass/forward';
import { describe, expect, it } from 'vitest';
import { clientWords } from '../../src/check/config-words.js';
import type { ClientConfig } from '../../src/config/client-config.js';

describe('a reverse forward in words', () => {
  it.each([
    [
      '8080:localhost:3000',
      "from port 8080 at the relay (for programs of the relay's machine only) to localhost:3000 as this machine sees it",
    ],
    [
      '*:0:/run/app.sock',
      "from a port that the relay chooses at the relay (for everybody who reaches the relay's machine) to unix:/run/app.sock as this machine sees it",
    ],
    [
      '/run/web.sock:localhost:80',
      "from the unix socket /run/web.sock of the relay's machine to localhost:80 as this machine sees it",
    ],
  ])('%s leads %s', (text, words) => {
    const forwards = parseReverseForwards(text);
    const config = {
      relay: { host: 'vps', port: 51_820 },
      relayPublicKey: new Uint8Array(32),
      publicKey: new Uint8Array(32),
      forwards,
    } as unknown as ClientConfig;
    expect(clientWords(config).at(-1)).toBe(`  ${text}: ${words}`);
  });
});
