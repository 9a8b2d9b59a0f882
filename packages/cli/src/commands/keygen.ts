/** `underpass keygen`: prints a new private key, as `wg genkey` does. */
import { randomBytes } from 'node:crypto';
import { fstatSync } from 'node:fs';
import { Command } from 'commander';
import { clampPrivateKey, encodeKey, KEY_BYTES } from '../key-text.js';
import { printErrorLine, printLine, requireOutput } from '../terminal.js';

export function keygenCommand(): Command {
  return new Command('keygen')
    .description('Print a new private key, as wg genkey does.')
    .addHelpText('after', '\nExample:\n  (umask 077; underpass keygen > client.key)')
    .action(async () => {
      warnWhenOthersCanRead(process.stdout.fd);
      const key = randomBytes(KEY_BYTES);
      clampPrivateKey(key);
      printLine(encodeKey(key));
      key.fill(0);
      await requireOutput();
    });
}

/** Warns early, because the relay and the client would refuse such a file. */
function warnWhenOthersCanRead(file: number): void {
  const stats = fstatSync(file);
  if (!stats.isFile() || (stats.mode & 0o077) === 0 || process.platform === 'win32') return;
  const mode = (stats.mode & 0o777).toString(8).padStart(4, '0');
  printErrorLine(
    `underpass: warning: the key goes into a file that is open to other users (mode ${mode}): run chmod 600 on it, and use umask 077 next time`,
  );
}
