/** A relay that is killed while clients enrol loses nobody, and no link works twice. A longer run:
 *  `node scripts/kill-relay.mjs`. */
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { RunningProgram } from './running-program.js';

const SCRIPT = fileURLToPath(new URL('../../scripts/kill-relay.mjs', import.meta.url));
const ROUNDS = 3;

it('keeps its files whole when it is killed at random moments (spec enrolment 4.1, 6)', {
  timeout: 240_000,
}, async () => {
  const script = new RunningProgram(process.execPath, [SCRIPT, '--rounds', String(ROUNDS), '--seed', '7']);
  expect(await script.ended(200_000), script.transcript()).toEqual({ code: 0, signal: null });
  expect(JSON.parse(script.stdout)).toMatchObject({ rounds: ROUNDS, seed: 7 });
});
