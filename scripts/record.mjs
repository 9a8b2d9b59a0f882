// Draws docs/images/recording.svg: a server and a laptop, from nothing to a page through the tunnel, as the two terminals
// really showed it.
//
//   node scripts/record.mjs          (as root on Linux: it makes two network namespaces, and removes them)
//
// Exit code: 0 when it was drawn, 1 when a step failed, 2 when this machine can't record.

import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Machines } from './recording/machines.mjs';
import { drawRecording } from './recording/svg.mjs';
import { RecordedTerminal } from './recording/terminal.mjs';

const IMAGE = fileURLToPath(new URL('../docs/images/recording.svg', import.meta.url));
const COLUMNS = 100;
const SERVER = '203.0.113.7';
const LAPTOP = '198.51.100.20';
/** Long enough to read a line before the next command is typed. */
const READING_MS = 1_600;
const TYPING_MS = 45;

if (process.getuid?.() !== 0 || process.platform !== 'linux') {
  process.stderr.write('record: needs root on Linux, to make network namespaces\n');
  process.exit(2);
}

const machines = new Machines();
try {
  machines.connect({ vps: SERVER, laptop: LAPTOP }, [`${SERVER} vps.example.com`]);
  const startMs = performance.now();
  const now = () => performance.now() - startMs;
  const open = (name, rows) =>
    new RecordedTerminal({ title: name, columns: COLUMNS, rows, now, shell: machines.shell(name) });
  const vps = open('vps', 19);
  const laptop = open('laptop', 21);
  await Promise.all([vps.ready(), laptop.ready()]);
  const pause = () => new Promise((resolve) => setTimeout(resolve, READING_MS));
  const run = async (terminal, command, shown) => {
    await terminal.prompt();
    await terminal.type(command, TYPING_MS);
    const match = await terminal.until(shown);
    await pause();
    return match;
  };

  await run(vps, 'underpass relay --endpoint vps.example.com:51820 &', /listening/);
  await run(vps, 'python3 -m http.server 8000 --bind 127.0.0.1 >/dev/null 2>&1 &', /\$ $/);
  const invited = /(underpass:\/\/[^ ]+)\r\nunderpass: laptop may reach/;
  const [, link] = await run(vps, 'underpass invite laptop --allow localhost:8000', invited);
  await laptop.prompt();
  await laptop.paste(`underpass client '${link.replace(/\s/g, '')}' -L 8080:localhost:8000 &`);
  await laptop.until(/connected to the relay/);
  await pause();
  await run(laptop, 'curl -s localhost:8080 | head -4', /<head>/i);
  await run(laptop, 'underpass status', /localhost:8080|127\.0\.0\.1:8080/);
  writeFileSync(IMAGE, drawRecording([vps.recording(), laptop.recording()], now() + 3_000));
  process.stdout.write(`drawn: ${IMAGE}\n`);
} catch (error) {
  process.stderr.write(`record: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  machines.remove();
}
process.exit();
