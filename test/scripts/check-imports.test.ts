import { describe, expect, it } from 'vitest';
import { plant, runScript } from './planted-tree.js';

const MANIFEST = JSON.stringify({
  exports: { '.': {}, './crypto': {} },
  dependencies: Object.fromEntries(
    ['protocol', 'runtime', 'forward', 'client', 'relay'].map((name) => [`@underpass/${name}`, '*']),
  ),
});

/** A tree with the given files. */
function check(files: Readonly<Record<string, string>>, manifest = MANIFEST) {
  const packages = new Set(Object.keys(files).map((name) => name.split('/')[1]));
  const manifests = [...packages].map((name) => [`packages/${name}/package.json`, manifest]);
  return runScript('check-imports.mjs', plant({ ...files, ...Object.fromEntries(manifests) }));
}

describe('check-imports', () => {
  it('passes imports along the arrows', () => {
    const result = check({
      'packages/cli/src/main.ts':
        "import { a } from '@underpass/client';\nimport './other.js';\nimport path from 'node:path';\n",
      'packages/cli/src/other.ts': 'export const b = 1;\n',
      'packages/protocol/src/transport/connection.ts': "export * from './streams/stream.js';\n",
      'packages/protocol/src/transport/streams/stream.ts':
        "import type { A } from '../../deadline.js';\nimport '../limits.js';\nexport type B = A;\n",
      'packages/protocol/src/transport/limits.ts': 'export const b = 1;\n',
      'packages/protocol/src/deadline.ts': 'export type A = 1;\n',
      'packages/protocol/src/endpoint/endpoint.ts':
        "import type { B } from '../transport/streams/stream.js';\n",
      'packages/runtime/src/udp.ts': "import { createSocket } from 'node:dgram';\nDate.now();\n",
      'packages/protocol/test/a.test.ts':
        "import '../src/deadline.js';\nimport '@underpass/protocol';\nimport '@underpass/testkit/crypto';\nimport 'node:fs';\n",
      'packages/testkit/src/crypto/index.ts': '',
      'packages/cli/test/a.test.ts': "import '../../../test/e2e/tcp.js';\n",
    });
    expect(result).toEqual({ code: 0, complaints: [], output: '' });
  });

  it('lets the playground import the simulated network alone, and nothing of Node', () => {
    const manifest = JSON.stringify({
      exports: { '.': {}, './simulation': {} },
      dependencies: { '@underpass/protocol': '*', '@underpass/testkit': '*' },
    });
    const { complaints } = check(
      {
        'packages/testkit/src/index.ts': '',
        'packages/playground/src/good.tsx':
          "import { World } from '@underpass/testkit/simulation';\nimport './b.js';\n",
        'packages/playground/src/b.tsx': 'export const b = <p>1</p>;\n',
        'packages/playground/src/bad.tsx':
          "import { RULES } from '@underpass/testkit';\nimport 'node:fs';\nimport '@underpass/runtime';\n",
      },
      manifest,
    );
    expect(complaints.filter((line) => line.includes('playground/'))).toEqual([
      expect.stringContaining('bad.tsx:1: imports @underpass/testkit: playground may import'),
      expect.stringContaining('bad.tsx:2: imports node:fs: playground knows no platform'),
      expect.stringContaining('bad.tsx:3: imports @underpass/runtime: playground may import'),
    ]);
  });

  it.each([
    ['packages/client/src/a.ts', "import { x } from '@underpass/relay';", 'client may import'],
    ['packages/relay/src/a.ts', "export { x } from '@underpass/client';", 'relay may import'],
    [
      'packages/protocol/src/a.ts',
      "import { x } from '@underpass/runtime';",
      'protocol may import no package',
    ],
    ['packages/runtime/src/a.ts', "type X = import('@underpass/forward').X;", 'runtime may import'],
    ['packages/forward/src/a.ts', "const x = await import('@underpass/cli');", 'forward may import'],
    ['packages/relay/src/a.ts', "import type { X } from '@underpass/testkit';", 'relay may import'],
    ['packages/cli/src/a.ts', "import { x } from '@underpass/protocol/dist/wire.js';", 'public name'],
    ['packages/cli/src/a.ts', "import { x } from '../../protocol/src/wire.js';", 'outside the package'],
    ['packages/cli/src/a.ts', "import { x } from './b.ts';", 'ends in .js'],
    ['packages/cli/src/a.ts', "import { x } from 'left-pad';", 'not among the dependencies'],
    ['packages/protocol/src/a.ts', "import { x } from 'node:crypto';", 'knows no platform'],
    ['packages/forward/src/a.ts', "import { x } from 'node:dgram';", 'only runtime'],
    [
      'packages/protocol/src/transport/streams/a.ts',
      "import { x } from '../recovery/b.js';",
      'transport/streams may import transport/wire',
    ],
    [
      'packages/protocol/src/transport/congestion/bbr/a.ts',
      "import { x } from '../../wire/b.js';",
      'primitives only',
    ],
    [
      'packages/protocol/src/wireguard/a.ts',
      "import { x } from '../transport/b.js';",
      'wireguard may import crypto',
    ],
    [
      'packages/protocol/src/transport/a.ts',
      "import { x } from '../wireguard/b.js';",
      'transport may import',
    ],
    ['packages/protocol/src/a.ts', "import { x } from './wireguard/b.js';", 'a primitive imports no folder'],
    [
      'packages/protocol/src/endpoint/a.ts',
      "import { x } from '../transport/streams/b.js';",
      'endpoint may import its types only',
    ],
    ['packages/protocol/src/transport/wire/a.ts', 'const x = Math.random();', 'uses Math.random'],
    ['packages/protocol/src/transport/wire/a.ts', 'const x = new Date();', 'uses Date'],
    ['packages/protocol/src/transport/wire/a.ts', 'const x = Buffer.alloc(1);', 'uses Buffer'],
    ['packages/protocol/src/transport/wire/a.ts', 'setTimeout(() => {}, 1);', 'uses setTimeout'],
    ['packages/cli/src/a.ts', "import path from 'path';", 'write node:path'],
    ['packages/cli/src/a.ts', "import 'fs", 'Unterminated string'],
    ['packages/client/test/a.test.ts', "import { x } from '@underpass/relay';", 'client may import'],
    ['packages/cli/test/a.test.ts', "import { x } from '../../relay/src/b.js';", 'outside the package'],
    ['packages/protocol/src/new/a.ts', "import { x } from '../crypto/b.js';", 'not in the list'],
    ['packages/extra/src/a.ts', '', 'not in the list of packages'],
  ])('fails on %s with %s', (file, text, complaint) => {
    const { code, complaints } = check({ [file]: `${text}\n` });
    expect(code).toBe(1);
    expect(complaints).toEqual([expect.stringContaining(complaint)]);
    if (text !== '') expect(complaints[0]).toContain(`${file}:1`);
  });

  it.each([
    ['to be loaded', "import { b } from './b.js';\n"],
    ['for a type', "import type { B } from './b.js';\n"],
  ])('fails on files that import each other %s', (_what, text) => {
    const { code, complaints } = check({
      'packages/cli/src/a.ts': text,
      'packages/cli/src/b.ts': "import { a } from './a.js';\n",
    });
    expect(code).toBe(1);
    expect(complaints[0]).toContain('a cycle');
  });

  it('fails on testkit among the dependencies', () => {
    const manifest = JSON.stringify({ dependencies: { '@underpass/testkit': '*' } });
    const { code, complaints } = check({ 'packages/relay/src/a.ts': '\n' }, manifest);
    expect(code).toBe(1);
    expect(complaints[0]).toContain('devDependencies');
  });
});
