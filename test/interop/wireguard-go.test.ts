/** Our core works with Debian's wireguard-go in both roles (docs/spec/handshake.md, session.md). */
import { once } from 'node:events';
import { createPortableSuite } from '@underpass/protocol';
import { secureRandom } from '@underpass/runtime';
import { describe, expect, it, type TestContext } from 'vitest';
import { CoreOnSocket } from './core-on-socket.js';
import { encodeEcho } from './icmp.js';
import { ADDRESSES, missingFor, TwoHosts } from './two-hosts.js';
import { INNER, WireGuardGo } from './wireguard-go.js';

const PORT = 51_820;
const OTHER_PORT = 51_821;
const missing = missingFor(['wireguard-go', 'wg', 'ping']);

interface Variant {
  readonly family: 'ipv4' | 'ipv6';
  readonly keys: 'with a preshared key' | 'without a preshared key';
}

interface Scene {
  readonly hosts: TwoHosts;
  readonly ours: CoreOnSocket;
  readonly other: WireGuardGo;
}

async function setUp(context: TestContext, variant: Variant, speaksFirst: 'we' | 'they'): Promise<Scene> {
  const hosts = new TwoHosts();
  context.onTestFinished(() => hosts.destroy());
  const privateKey = secureRandom(32);
  const presharedKey = variant.keys === 'with a preshared key' ? secureRandom(32) : undefined;
  const socket = await hosts.openSocket(ADDRESSES.a[variant.family]);
  const ourHost = variant.family === 'ipv6' ? `[${ADDRESSES.a.ipv6}]` : ADDRESSES.a.ipv4;
  const other = await WireGuardGo.start(hosts, PORT, {
    publicKey: Buffer.from(createPortableSuite().x25519PublicKey(privateKey)).toString('base64'),
    presharedKey,
    endpoint: speaksFirst === 'they' ? `${ourHost}:${socket.address().port}` : undefined,
  });
  const ours = new CoreOnSocket(socket, {
    privateKey,
    remotePublicKey: Buffer.from(other.publicKey, 'base64'),
    presharedKey,
    ...(speaksFirst === 'we' && { address: { address: ADDRESSES.b[variant.family], port: PORT } }),
  });
  context.onTestFinished(() => ours.close());
  return { hosts, ours, other };
}

/** Sends `count` echo requests, with data of every length from 0 up, and waits for all replies. */
async function ping(ours: CoreOnSocket, count: number): Promise<void> {
  const before = ours.replies.length;
  for (let i = 0; i < count; i++) {
    const sequence = before + i;
    const data = new Uint8Array(i).fill(sequence);
    ours.send(encodeEcho({ kind: 'request', from: INNER.a, to: INNER.b, identifier: 7, sequence, data }));
    await ours.until(() => ours.replies.length === before + i + 1);
    expect(ours.replies.at(-1)).toMatchObject({ from: INNER.b, identifier: 7, sequence, data });
  }
}

/** The kernel of host `b` sends echo requests through wireguard-go. @returns how many replies it received */
async function pingFromThere(hosts: TwoHosts, count: number, intervalSeconds: number): Promise<number> {
  const parameters = ['-n', '-c', `${count}`, '-i', `${intervalSeconds}`, '-W', '5', INNER.a];
  const program = hosts.start('b', 'ping', ...parameters);
  let output = '';
  program.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  await once(program, 'close');
  return Number(/(\d+) received/.exec(output)?.[1]);
}

const VARIANTS: readonly Variant[] = (['ipv4', 'ipv6'] as const).flatMap((family) =>
  (['without a preshared key', 'with a preshared key'] as const).map((keys) => ({ family, keys })),
);

describe.skipIf(missing !== undefined)(`wireguard-go${missing === undefined ? '' : ` (${missing})`}`, () => {
  it.concurrent.for(VARIANTS)(
    'answers our initiations over $family $keys: echoes, a rekey, and our move to another port',
    async (variant, context) => {
      const { hosts, ours, other } = await setUp(context, variant, 'we');
      await ping(ours, 100);
      expect(ours.peer.stats.handshakes).toBe(1);

      const before = ours.peer.sendableKeypairId(ours.now) as number;
      ours.skip(121_000);
      await ping(ours, 2);
      await ours.until(() => ours.peer.stats.handshakes === 2);
      expect(ours.peer.sendableKeypairId(ours.now)).toBeGreaterThan(before);
      await ping(ours, 100);

      const socket = await hosts.openSocket(ADDRESSES.a[variant.family]);
      const port = `${socket.address().port}`;
      ours.moveTo(socket);
      await ping(ours, 100);
      expect(other.show('endpoints').split(':').at(-1)).toBe(port);
      expect(ours.drops).toEqual([]);
    },
  );

  it.concurrent.for(VARIANTS)(
    'initiates to us over $family $keys: echoes, its rekey after 120 s, and its move to another port',
    { timeout: 240_000 },
    async (variant, context) => {
      const { hosts, ours, other } = await setUp(context, variant, 'they');
      // Takes two and a half minutes, because its own timers decide when it rekeys.
      expect(await pingFromThere(hosts, 700, 0.2)).toBe(700);
      expect(ours.peer.stats.handshakes).toBe(2);

      other.setPort(OTHER_PORT);
      const received = await pingFromThere(hosts, 100, 0.01);
      // On a busy machine wireguard-go can lose some of what it is to send while it changes its socket.
      expect(received).toBeGreaterThan(80);
      expect(ours.requests).toBe(700 + received);
      expect(ours.peer.path.address?.port).toBe(OTHER_PORT);
      expect(ours.drops).toEqual([]);
    },
  );
});
