/** Mail by SMTP and IMAP through a dynamic forward, as in docs/guide/mail.md. */
import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { userInfo } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { installed, outputOf, run } from './installed.js';
import { RunningProgram } from './running-program.js';
import { body, closedPort, sha256, startTarget } from './tcp.js';
import { temporaryDirectory } from './temporary-directory.js';
import { setUpRelay, startClient, startRelay } from './tunnel.js';

const curl = installed('curl');
/** A mail server starts slowly on a busy machine. */
const TEST_LIMIT_MS = 120_000;

describe.skipIf(curl === undefined)('mail through a dynamic forward', { timeout: TEST_LIMIT_MS }, () => {
  it('is sent by SMTP, and arrives with every byte', async () => {
    const { port, mails } = await startSmtp();
    const { send } = await startMailClient(port);
    const from = ['--mail-from', 'ann@example.org'];
    const to = ['bob', 'cyd'].flatMap((name) => ['--mail-rcpt', `${name}@example.org`]);
    await send(`smtp://localhost:${port}`, [...from, ...to], MAIL);
    expect(mails.map((mail) => mail.from)).toEqual(['<ann@example.org>']);
    expect(mails[0]?.to).toEqual(['<bob@example.org>', '<cyd@example.org>']);
    expect(sha256(Buffer.from(mails[0]?.text ?? ''))).toBe(sha256(Buffer.from(MAIL)));
  });

  it('is stored and fetched by IMAP', async (context) => {
    const dovecot = installed('dovecot');
    if (dovecot === undefined) return context.skip('Dovecot is not installed');
    const port = await closedPort();
    const problem = await startDovecot(dovecot, port);
    if (problem !== undefined) return context.skip(`Dovecot does not run here: ${problem}`);
    const { send } = await startMailClient(port);
    const login = ['--user', 'ann:secret'];
    await send(`imap://localhost:${port}/INBOX`, login, MAIL);
    const listed = await send(`imap://localhost:${port}/`, [
      ...login,
      '--request',
      'STATUS INBOX (MESSAGES)',
    ]);
    expect(String(listed)).toContain('(MESSAGES 1)');
    const fetched = await send(`imap://localhost:${port}/INBOX;MAILINDEX=1`, login);
    expect(sha256(fetched)).toBe(sha256(Buffer.from(MAIL)));
  });
});

/** A mail of 1 MB, with lines that begin with a dot, which SMTP doubles on its way. */
const MAIL = [
  'From: ann@example.org',
  'Subject: a photo',
  '',
  '. begins with a dot',
  '..',
  ...(body(750_000, 1)
    .toString('base64')
    .match(/.{1,76}/g) ?? []),
  '',
].join('\r\n');

/** Starts a client with a dynamic forward.
 *  @returns a function that runs curl through it and resolves with its output */
async function startMailClient(port: number) {
  const setup = setUpRelay([`localhost:${port}`]);
  const relay = await startRelay(setup);
  const { program } = await startClient(setup, relay.port, [], ['-D', '127.0.0.1:0']);
  const listening = await program.event('listening', (event) => event.kind === 'dynamic');
  const [{ port: proxy }] = listening.addresses as readonly [{ readonly port: number }];
  const common = ['--silent', '--show-error', '--proxy', `socks5h://127.0.0.1:${proxy}`];
  const send = async (url: string, flags: readonly string[], mail?: string): Promise<Buffer> => {
    const file = path.join(setup.directory, 'mail.txt');
    if (mail !== undefined) writeFileSync(file, mail);
    const upload = mail === undefined ? [] : ['--upload-file', file];
    const { code, output, errors } = await run(curl as string, [...common, ...flags, ...upload, url]);
    expect([code, errors]).toEqual([0, '']);
    return output;
  };
  return { send };
}

interface Mail {
  readonly from: string;
  readonly to: string[];
  text: string;
}

/** A server that accepts every mail (RFC 5321, the commands that a client needs). */
async function startSmtp(): Promise<{ readonly port: number; readonly mails: readonly Mail[] }> {
  const mails: Mail[] = [];
  const { port } = await startTarget((socket) => {
    socket.write('220 mail.example.org\r\n');
    void receiveMails(socket, mails);
  });
  return { port, mails };
}

async function receiveMails(socket: Socket, mails: Mail[]): Promise<void> {
  let isText = false;
  let mail: Mail = { from: '', to: [], text: '' };
  for await (const line of createInterface({ input: socket })) {
    if (isText && line !== '.') {
      mail.text += `${line.replace(/^\./, '')}\r\n`;
      continue;
    }
    const [, command = '', argument = ''] = /^(QUIT|DATA|MAIL FROM:|RCPT TO:|\.)?(\S*)/.exec(line) ?? [];
    if (command === 'MAIL FROM:') mail = { from: argument, to: [], text: '' };
    if (command === 'RCPT TO:') mail.to.push(argument);
    if (command === '.') mails.push(mail);
    isText = command === 'DATA';
    socket.write(isText ? '354 go on\r\n' : command === 'QUIT' ? '221 bye\r\n' : '250 ok\r\n');
    if (command === 'QUIT') socket.end();
  }
}

/** Starts an IMAP server where `secret` is everybody's password.
 *  @returns why it does not run on this machine */
async function startDovecot(dovecot: string, port: number): Promise<string | undefined> {
  const directory = temporaryDirectory();
  const config = path.join(directory, 'dovecot.conf');
  const isRoot = process.getuid?.() === 0;
  const user = isRoot ? 'nobody' : userInfo().username;
  const own = isRoot ? '' : `default_internal_user = ${user}\ndefault_login_user = ${user}\n`;
  const group = outputOf('id', ['-gn', user]).trim();
  const [uid, gid] = ['-u', '-g'].map((flag) => Number(outputOf('id', [flag, user])));
  mkdirSync(path.join(directory, 'mail'));
  for (const place of [directory, path.join(directory, 'mail')])
    chownSync(place, uid as number, gid as number);
  writeFileSync(
    config,
    `${own}base_dir = ${directory}/run
state_dir = ${directory}/state
log_path = /dev/stderr
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:${directory}/mail
first_valid_uid = 1
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=${user} gid=${group} home=${directory}
}
service imap-login {
  ${isRoot ? '' : 'chroot ='}
  inet_listener imap {
    port = ${port}
  }
  inet_listener imaps {
    port = 0
  }
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
`,
  );
  const server = new RunningProgram(dovecot, ['-F', '-c', config]);
  await server.until(
    () => server.exit !== undefined || server.transcript().includes('starting up'),
    'Dovecot to start',
  );
  return server.exit === undefined ? undefined : server.transcript();
}
