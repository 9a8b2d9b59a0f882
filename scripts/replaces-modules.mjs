import { readFileSync } from 'node:fs';

/** Whether a file of tests puts others in the place of modules. */
export function replacesModules(file) {
  return readFileSync(file, 'utf8').includes('vi.mock(');
}
