// Records the annotated session, and writes docs/session: the page, and a capture of the same datagrams.
//
//   node scripts/session.mjs
//
// Prints how many bytes the session has, and how many of them the page explains. Exit code: 0 when the files were
// written, 1 when a byte has no explanation, 2 when the packages are not built.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const OUTPUT = new URL('../docs/session/', import.meta.url);

if (!existsSync(new URL('../packages/trace/dist/index.js', import.meta.url))) {
  process.stderr.write('session: packages/trace is not built: run npm run setup first\n');
  process.exit(2);
}
const { captureSession } = await import('./session/capture.mjs');
const { makePage } = await import('./session/page.mjs');
const { recordSession } = await import('./session/record.mjs');

const datagrams = recordSession();
try {
  const { page, totalBytes, explainedBytes } = makePage(datagrams);
  mkdirSync(OUTPUT, { recursive: true });
  writeFileSync(new URL('README.md', OUTPUT), page);
  writeFileSync(new URL('session.pcapng', OUTPUT), captureSession(datagrams));
  process.stdout.write(
    `${datagrams.length} datagrams, ${totalBytes} bytes, ${explainedBytes} explained: ${fileURLToPath(OUTPUT)}\n`,
  );
} catch (error) {
  process.stderr.write(`session: ${error.message}\n`);
  process.exit(1);
}
