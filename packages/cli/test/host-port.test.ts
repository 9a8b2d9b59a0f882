import { describe, expect, it } from 'vitest';
import { parseHostPort, parseListenAddress } from '../src/host-port.js';

describe('HOST:PORT', () => {
  it.each([
    ['vpn.example.org:51820', 'vpn.example.org', 51820],
    ['localhost:1', 'localhost', 1],
    ['192.0.2.7:65535', '192.0.2.7', 65535],
    ['[2001:db8::1]:443', '2001:db8::1', 443],
    [`${'a.'.repeat(126)}b:80`, `${'a.'.repeat(126)}b`, 80], // 253 characters
    [`${'a'.repeat(63)}.b:80`, `${'a'.repeat(63)}.b`, 80],
  ])('reads %s', (text, host, port) => {
    expect(parseHostPort(text)).toEqual({ host, port });
  });

  it.each([
    '',
    'example.org',
    ':80',
    'example.org:',
    'example.org:0',
    'example.org:65536',
    'example.org:80x',
    '::1:80',
    '[::1]',
    '[example.org]:80',
    'two words:80',
    '-bad:80',
    `${'a'.repeat(64)}:80`,
    `a.${'a'.repeat(64)}:80`,
    `${'a.'.repeat(126)}bc:80`, // 254 characters
    'good.-bad:80',
    '-bad.good:80',
  ])('refuses %j', (text) => {
    expect(parseHostPort(text)).toBeUndefined();
  });
});

describe('[HOST:]PORT', () => {
  it.each([
    ['51820', { port: 51820 }],
    ['0', { port: 0 }],
    ['65535', { port: 65535 }],
    ['localhost:65535', { host: 'localhost', port: 65535 }],
    ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['[::1]:10', { host: '::1', port: 10 }],
    ['[::1]:0', { host: '::1', port: 0 }],
    ['[::1]:51820', { host: '::1', port: 51820 }],
  ])('reads %s', (text, expected) => {
    expect(parseListenAddress(text)).toEqual(expected);
  });

  it.each(['', '65536', '99999', '-1', '::1', '::0', 'host', '1.2.3.4:', '[::1]:'])('refuses %j', (text) => {
    expect(parseListenAddress(text)).toBeUndefined();
  });
});
