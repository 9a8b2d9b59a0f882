/** A capture of the playground opens decrypted, like one of the program. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { captureOf } from '../../packages/playground/src/model/capture.js';
import { EMPTY_PLAN } from '../../packages/playground/src/model/plan.js';
import { Session } from '../../packages/playground/src/model/session.js';
import { temporaryDirectory } from './temporary-directory.js';
import { fieldsByTshark, WITH_DISSECTOR } from './tshark.js';

it('a capture of the playground opens in tshark: every handshake, every packet, and the frames by name', (context) => {
  const session = new Session({ ...EMPTY_PLAN, setup: { ...EMPTY_PLAN.setup, clients: ['bbr', 'cubic'] } });
  session.act({ kind: 'upload', client: 1, bytes: 50_000 });
  session.act({ kind: 'download', client: 2, bytes: 50_000 });
  session.act({ kind: 'link', setting: 'lossPercent', value: 5 });
  session.advance(6000);
  session.act({ kind: 'rekey', node: 1 });
  session.advance(8000);
  const file = path.join(temporaryDirectory(), 'playground.pcapng');
  writeFileSync(file, captureOf(session.run), { mode: 0o600 });
  const fields = ['wg.type', 'wg.handshake_ok', 'wg.static', 'wg.decryption_error', '_ws.expert.message'];
  const rows = fieldsByTshark(file, 'udp', [...fields, '_ws.col.Info'], WITH_DISSECTOR);
  if (rows === undefined) return context.skip('tshark is not installed');
  expect(rows.length).toBe(session.run.history.datagrams.length);
  const messages = rows.map(([type, ok, staticKey, error]) => ({ type, ok, staticKey, error }));
  expect(messages.filter(({ error }) => error !== '')).toEqual([]);
  const initiations = messages.filter(({ type }) => type === '1');
  expect(initiations.length).toBeGreaterThanOrEqual(3);
  for (const { staticKey } of initiations) expect(staticKey).not.toBe('');
  const responses = messages.filter(({ type }) => type === '2');
  // tshark has no verdict on the copy of a response (spec session 5.7).
  for (const { ok } of responses) expect(['1', 'True', '']).toContain(ok);
  expect(responses.some(({ ok }) => ok !== '')).toBe(true);
  expect(rows.some((row) => row.at(-1)?.includes('STREAM'))).toBe(true);
});
