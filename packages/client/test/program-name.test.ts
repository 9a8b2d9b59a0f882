import type { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { formatSource, nameOfProgram } from '../src/program-name.js';

it.each<[string, object, Parameters<typeof nameOfProgram>[1], string]>([
  [
    'its address',
    { remoteAddress: '127.0.0.1', remotePort: 4711 },
    { bind: { kind: 'loopback' }, port: 80 },
    '127.0.0.1 port 4711',
  ],
  ['what is left of it when it has gone', {}, { bind: { kind: 'loopback' }, port: 80 }, '? port ?'],
  ['the unix socket that it connected to', {}, { path: '/run/a.sock' }, 'unix:/run/a.sock'],
])('a program is called by %s', (_what, socket, place, name) => {
  expect(nameOfProgram(socket as Socket, place)).toBe(name);
});

it('a visitor of a reverse forward is called by its address, if it has one', () => {
  expect(formatSource({ host: '192.0.2.1', port: 5 })).toBe('192.0.2.1 port 5');
  expect(formatSource({ host: '', port: 0 })).toBe('a program at the relay');
});
