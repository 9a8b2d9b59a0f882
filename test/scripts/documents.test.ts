/** Numbers and names that appear both in a document and in the code agree. */
import { readdirSync, readFileSync } from 'node:fs';
import { ConnectionErrorCode, StreamErrorCode } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { MAX_REQUEST_BYTES } from '../../packages/forward/src/request.js';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
/** The text between a heading and the next. */
const section = (page: string, heading: string) => read(page).split(heading)[1]?.split(/^##/m)[0] ?? '';

const inCapitals = (name: string) => name.replace(/[A-Z]/g, '_$&').toUpperCase();
const codesOf = (table: Readonly<Record<string, number>>, isOnWire: (name: string) => boolean) =>
  Object.entries(table)
    .filter(([name]) => isOnWire(name))
    .map(([name, code]) => [inCapitals(name), code]);

describe('docs/spec/streams.md §9', () => {
  const rows = section('docs/spec/streams.md', '## 9. Codes\n')
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim().split(' ')[0] as string));
  const column = (name: number, code: number) =>
    rows
      .filter((row) => /^[A-Z_]+$/.test(row[name] ?? ''))
      .map((row) => [row[name] as string, Number(row[code])]);

  it('names every connection error with its code (spec streams 9)', () => {
    expect(column(1, 2)).toEqual(codesOf(ConnectionErrorCode, () => true));
  });

  it('names every stream error that is sent on the wire (spec streams 9)', () => {
    expect(column(4, 5)).toEqual(codesOf(StreamErrorCode, (name) => name !== 'connectionLost'));
  });
});

describe('docs/spec/forwarding.md §2.3', () => {
  it('states the limit on the length of a request (spec forwarding 2.3)', () => {
    const text = section('docs/spec/forwarding.md', '### 2.3 Reading a request\n');
    expect(Number(/(\d+)\s+bytes/.exec(text)?.[1])).toBe(MAX_REQUEST_BYTES);
  });
});

describe('docs/architecture.md', () => {
  it('draws every folder of the protocol', () => {
    const drawing = section('docs/architecture.md', '## Inside protocol\n').split('```')[1] as string;
    const sources = new URL('../../packages/protocol/src/', import.meta.url);
    const foldersIn = (folder: string) =>
      readdirSync(new URL(folder, sources), { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => `${folder}${name}`);
    const folders = [...foldersIn('./'), ...foldersIn('./transport/')].map((name) => name.slice(2));
    expect(folders.length).toBeGreaterThan(8);
    for (const name of folders) expect(drawing).toMatch(new RegExp(`(?<![\\w/])${name}\\b`));
  });
});
