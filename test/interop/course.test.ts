/** The last step of the course pings a real peer (docs/course/9-wireguard). */
import { once } from 'node:events';
import { createPortableSuite } from '@underpass/protocol';
import { secureRandom } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { ADDRESSES, missingFor, TwoHosts } from './two-hosts.js';
import { INNER, WireGuardGo } from './wireguard-go.js';

const PORT = 51_820;
const missing = missingFor(['wireguard-go', 'wg']);

describe.skipIf(missing !== undefined)(`the course${missing === undefined ? '' : ` (${missing})`}`, () => {
  it('pings wireguard-go with the program of step 9', async (context) => {
    const hosts = new TwoHosts();
    context.onTestFinished(() => hosts.destroy());
    const privateKey = secureRandom(32);
    const publicKey = Buffer.from(createPortableSuite().x25519PublicKey(privateKey)).toString('base64');
    const other = await WireGuardGo.start(hosts, PORT, {
      publicKey,
      presharedKey: undefined,
      endpoint: undefined,
    });
    const ping = hosts.start(
      'a',
      process.execPath,
      'scripts/course.mjs',
      'run',
      '9-wireguard/ping.ts',
      `${ADDRESSES.b.ipv4}:${PORT}`,
      other.publicKey,
      Buffer.from(privateKey).toString('base64'),
      INNER.a,
      INNER.b,
    );
    let output = '';
    ping.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const [code] = await once(ping, 'close');
    expect(output).toContain('handshake done');
    expect(output).toContain(`echo reply from ${INNER.b}`);
    expect(code).toBe(0);
  });
});
