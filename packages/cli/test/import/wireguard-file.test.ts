import { describe, expect, it } from 'vitest';
import { parseWireguardFile } from '../../src/import/wireguard-file.js';
import { encodeKey } from '../../src/key-text.js';

/** A clamped private key, and other keys, in base64. */
const PRIVATE = encodeKey(new Uint8Array(32).fill(0x48));
const PUBLIC = encodeKey(new Uint8Array(32).fill(0x21));
const SHARED = encodeKey(new Uint8Array(32).fill(0x77));

const parse = (text: string) => parseWireguardFile('wg0.conf', new TextEncoder().encode(text));
const problem = (text: string): string => {
  try {
    parse(text);
  } catch (error) {
    return (error as Error).message;
  }
  return 'no problem';
};

const CLIENT = `[Interface]
PrivateKey = ${PRIVATE}
Address = 10.0.0.2/32   # ours # and nobody else's
DNS=10.0.0.1\r
PostUp = iptables -A FORWARD -i %i -j ACCEPT

[peer]
publickey=${PUBLIC}
PresharedKey = ${SHARED}
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = [2001:db8::1]:51820
PersistentKeepalive = 25 # seconds # not minutes
`;

describe('a WireGuard file', () => {
  it('gives keys, endpoint and keepalive, and the names of what has no meaning here', () => {
    const file = parse(CLIENT);
    expect(encodeKey(file.privateKey)).toBe(PRIVATE);
    expect(file.listenPort).toBeUndefined();
    expect(file.peers).toEqual([
      {
        name: undefined,
        publicKey: new Uint8Array(32).fill(0x21),
        presharedKey: new Uint8Array(32).fill(0x77),
        endpoint: { host: '2001:db8::1', port: 51_820 },
        keepaliveSeconds: 25,
      },
    ]);
    expect(file.unused).toEqual(['Address', 'DNS', 'PostUp', 'AllowedIPs']);
  });

  it('clamps its private key, as WireGuard does', () => {
    const raw = encodeKey(new Uint8Array(32).fill(0xff));
    const { privateKey } = parse(`[Interface]\nPrivateKey = ${raw}`);
    expect([privateKey[0], privateKey[31]]).toEqual([0xf8, 0x7f]);
  });

  it('takes off for 0', () => {
    const { listenPort, peers } = parse(
      `[Interface]\nPrivateKey=${PRIVATE}\nListenPort=0\n[Peer]\nPublicKey=${PUBLIC}\nPersistentKeepalive=off`,
    );
    expect([listenPort, peers[0]?.keepaliveSeconds]).toEqual([undefined, undefined]);
  });

  it.each([
    ['# laptop\n[Peer]', 'laptop'],
    ['[Peer]\n# Name = phone', 'phone'],
    ['# Client: alice (4f2a)\n[Peer]', 'alice'],
    ['# friendly_name=bob\n[Peer]', 'bob'],
    ['[Peer]', undefined],
    ['# (none)\n[Peer]', undefined],
  ])('finds the name in %j', (peer, name) => {
    const { peers } = parse(
      `[Interface]\nPrivateKey=${PRIVATE}\n\n${peer}\nPublicKey=${PUBLIC}\n# the end\n`,
    );
    expect(peers[0]?.name).toBe(name);
  });

  it.each([
    ['a setting', `[Interface]\nPrivateKey=${PRIVATE} # laptop\n[Peer]\nPublicKey=${PUBLIC}`],
    ['a section', `[Interface] # laptop\nPrivateKey=${PRIVATE}\n[Peer]\nPublicKey=${PUBLIC}`],
    ['the interface', `# laptop\n[Interface]\nPrivateKey=${PRIVATE}\n[Peer]\nPublicKey=${PUBLIC}`],
    ['another setting', `[Interface]\n# laptop\nPrivateKey=${PRIVATE}\n[Peer]\nPublicKey=${PUBLIC}`],
    ['a setting of the peer', `[Interface]\nPrivateKey=${PRIVATE}\n[Peer]\nPublicKey=${PUBLIC}\n# laptop\n`],
  ])('does not take a comment at %s for the name of a peer', (_what, text) => {
    expect(parse(text).peers.map(({ name }) => name)).toEqual([undefined]);
  });

  it('may have tabs, blanks and carriage returns around everything, and nothing at all in a line', () => {
    const text = `\t[Interface] \r\n\r\n \t PrivateKey\t=\t${PRIVATE}\t\r\n[Peer]\t\nPublicKey = \t${PUBLIC} \r\n`;
    const { privateKey, peers } = parse(text);
    expect([encodeKey(privateKey), peers.map(({ publicKey }) => encodeKey(publicKey))]).toEqual([
      PRIVATE,
      [PUBLIC],
    ]);
  });

  it.each([
    [65_535, 65_535],
    [1, 1],
  ])('may have the port and the keepalive %d', (number, expected) => {
    const { listenPort, peers } = parse(
      `[Interface]\nPrivateKey=${PRIVATE}\nListenPort=${number}\n[Peer]\nPublicKey=${PUBLIC}\nPersistentKeepalive=${number}`,
    );
    expect([listenPort, peers[0]?.keepaliveSeconds]).toEqual([expected, expected]);
  });

  it.each([
    ['', 'wg0.conf:1: found 0 sections [Interface], expected one'],
    [
      `[Interface]\nPrivateKey=${PRIVATE}\n[Interface]`,
      'wg0.conf:3: found 2 sections [Interface], expected one',
    ],
    ['[Interface]\n', 'wg0.conf:1: PrivateKey: found nothing, expected a key'],
    [
      `[Interface]\nPrivateKey=${PRIVATE}\nListenPort=99999`,
      'wg0.conf:3: ListenPort: expected a number from 0 to 65535',
    ],
    [
      `[Interface]\nPrivateKey=${PRIVATE}\n[Peer]`,
      'wg0.conf:3: PublicKey: expected a key of 44 characters of base64',
    ],
    [
      `[Interface]\nPrivateKey=${PRIVATE}\n[Peer]\nPublicKey=${PUBLIC}\nEndpoint=vpn.example.org`,
      'wg0.conf:5: Endpoint: expected HOST:PORT, IPv6 in brackets',
    ],
    ['PrivateKey=x', 'wg0.conf:1: expected [Interface] or [Peer] before settings'],
  ])('says what is wrong with %j', (text, message) => {
    expect(problem(text)).toBe(message);
  });

  it('never shows what may be a key', () => {
    for (const text of [
      PRIVATE,
      `[Interface]\nPrivateKey = ${PRIVATE}x`,
      `[Interface]\nPrivateKey ${PRIVATE}`,
    ]) {
      expect(problem(text)).toMatch(/^wg0\.conf:\d: /);
      expect(problem(text)).not.toContain(PRIVATE.slice(0, 8));
    }
  });
});
