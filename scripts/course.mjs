// Runs the programs of the course in docs/course, and checks your own versions of them.
//
//   node scripts/course.mjs                     lists the steps
//   node scripts/course.mjs check STEP [FILE]   checks the step's program, or your FILE in its place
//   node scripts/course.mjs run FILE [ARG...]   runs a program of the course, or one of yours
//
// Exit code: 0 when every check passed, 1 when one failed, 2 for wrong usage.

import { spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { buildCourseFile, COURSE, loadCourseFile } from './course/load.mjs';
import { runChecks } from './course/run-checks.mjs';
import { STEPS } from './course/steps.mjs';

const [command, ...words] = process.argv.slice(2);
if (command === undefined) list();
else if (command === 'check') process.exitCode = await check(words);
else if (command === 'run') process.exitCode = await run(words);
else fail(`'${command}' is not a command: check or run`);

function list() {
  for (const { folder, file } of STEPS)
    process.stdout.write(`${folder.padEnd(22)} docs/course/${folder}/${file}\n`);
  process.stdout.write('\nTo check your own version of step 1: npm run course -- check 1 FILE\n');
}

async function check([step, file]) {
  const found = STEPS.find(({ folder }) => folder === step || folder.startsWith(`${step}-`));
  if (found === undefined)
    return fail(`there is no step '${step ?? ''}': give a number from 1 to ${STEPS.length}`);
  const folder = path.join(COURSE, found.folder);
  const program = file === undefined ? path.join(folder, found.file) : path.resolve(file);
  if (!existsSync(program)) return fail(`there is no file ${program}`);
  const { checks } = await loadCourseFile(path.join(folder, 'checks.ts'));
  let implementation;
  try {
    implementation = await loadCourseFile(program);
  } catch (error) {
    return fail(`${program} can't be loaded: ${error.message}`);
  }
  const missing = found.exports.filter((name) => !(name in implementation));
  if (missing.length > 0) return fail(`${program} must export ${missing.join(' and ')}`);
  let failures = 0;
  await runChecks(checks, implementation, ({ title, error, skip }) => {
    if (error !== undefined) failures++;
    process.stdout.write(`${skip ? '-' : error ? '✗' : '✓'} ${title}\n`);
    if (skip ?? error) process.stdout.write(`    ${skip ?? error.message}\n`);
  });
  process.stdout.write(
    failures === 0 ? `\nstep ${found.folder}: done\n` : `\n${failures} of ${checks.length} failed\n`,
  );
  // A wrong version may have left sockets open.
  setImmediate(() => process.exit());
  return failures === 0 ? 0 : 1;
}

async function run([file, ...programArguments]) {
  const program = [file ?? '', path.join(COURSE, file ?? '')]
    .map((name) => path.resolve(name))
    .find(existsSync);
  if (file === undefined || program === undefined) return fail(`there is no file '${file ?? ''}'`);
  const built = await buildCourseFile(program);
  const child = spawn(process.execPath, ['--enable-source-maps', built, ...programArguments], {
    stdio: 'inherit',
  });
  process.on('SIGINT', () => {});
  return await new Promise((resolve) => {
    child.once('exit', (code) => {
      rmSync(built, { force: true });
      resolve(code ?? 1);
    });
  });
}

function fail(message) {
  process.stderr.write(`course: ${message}\n`);
  process.exitCode = 2;
  return 2;
}
