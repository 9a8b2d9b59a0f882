/** The numbers on the wire agree with the tables of the specification. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { REQUEST_STATUSES } from '../../packages/forward/src/request.js';
import { ConnectionErrorCode, StreamErrorCode } from '../../packages/protocol/src/failure.js';
import { FrameType } from '../../packages/protocol/src/transport/wire/frames.js';

const PAGE = readFileSync(new URL('../../docs/spec/streams.md', import.meta.url), 'utf8');

/** The cells of the first table after a heading. */
function tableOf(heading: string): string[][] {
  const [, after = ''] = PAGE.split(`${heading}\n`);
  const [table = ''] = /(^\|.*\n)+/m.exec(after) ?? [];
  const [, , ...rows] = table.trimEnd().split('\n');
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** `STREAM_LIMIT`, `not allowed` and `streamLimit` become the same. */
const plain = (name: string) => name.replace(/[\s_-]/g, '').toLowerCase();

/** @param pairs  a name and a number each; empty cells are left out */
const named = (pairs: readonly (readonly [string | undefined, string | undefined])[]) =>
  Object.fromEntries(
    pairs.flatMap(([name, number]) => (name && number ? [[plain(name), Number(number)]] : [])),
  );

const plainKeys = (codes: Readonly<Record<string, number>>) =>
  Object.fromEntries(Object.entries(codes).map(([name, code]) => [plain(name), code]));

describe('the numbers in spec streams', () => {
  it('2 are the types of frames in the code', () => {
    const documented = tableOf('## 2. Frames').flatMap(([types = '', names = '']) => {
      const [type, second] = types.split(', ');
      const [name] = names.split(', ');
      return second === undefined
        ? [[name, type] as const]
        : [[name, type] as const, [`${name} fin`, second] as const];
    });
    expect(documented.length).toBeGreaterThan(10);
    expect(plainKeys(FrameType)).toEqual(named(documented));
  });

  it('6.2 are the statuses in the code', () => {
    const rows = tableOf('### 6.2 Status');
    const documented = named(rows.flatMap(([a, b, c, d]) => [[b, a] as const, [d, c] as const]));
    expect(Object.fromEntries(REQUEST_STATUSES.map((status, byte) => [plain(status), byte]))).toEqual(
      documented,
    );
  });

  it('9 are the codes in the code', () => {
    const rows = tableOf('## 9. Codes');
    const ofConnections = rows.map(([name, code]) => [name?.replace(/ \(.*/, ''), code] as const);
    expect(plainKeys(ConnectionErrorCode)).toEqual(named(ofConnections));
    const { connectionLost: _neverSent, ...sent } = StreamErrorCode;
    expect(plainKeys(sent)).toEqual(named(rows.map(([, , , name, code]) => [name, code] as const)));
  });
});
