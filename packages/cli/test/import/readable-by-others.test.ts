import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { runImport } from '../../src/commands/import.js';
import { temporaryDirectory } from '../temporary-directory.js';

it('says how to make a WireGuard file secret that others can read', async () => {
  const file = path.join(temporaryDirectory(), 'wg0.conf');
  writeFileSync(file, '[Interface]\n', { mode: 0o644 });
  await expect(runImport(file, {})).rejects.toMatchObject({
    message: expect.stringContaining('mode 0644'),
    hint: `run: chmod 600 ${file}`,
  });
});
