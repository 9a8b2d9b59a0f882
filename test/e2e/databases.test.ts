/** Database clients through local forwards, as docs/guide/database.md uses them. */
import { chownSync, existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { installed, outputOf, run } from './installed.js';
import { RunningProgram } from './running-program.js';
import { closedPort } from './tcp.js';
import { temporaryDirectory } from './temporary-directory.js';
import { startTunnel } from './tunnel.js';

/** A server starts slowly on a busy machine. */
const TEST_LIMIT_MS = 120_000;
const ROWS = 20_000;
const COMMANDS = 100_000;

describe('PostgreSQL', () => {
  it(
    'answers queries, and a dump and its restore through the tunnel have every byte',
    async (context) => {
      const programs = ['initdb', 'postgres', 'psql', 'pg_dump'].map(postgresProgram);
      const [initdb, postgres, psql, pgDump] = programs;
      if (!initdb || !postgres || !psql || !pgDump) return context.skip('PostgreSQL is not installed');
      const { port, socket } = await startPostgres(initdb, postgres);
      const { client } = await startTunnel({
        allow: [`localhost:${port}`, `unix:${socket}`],
        forwards: [`0:localhost:${port}`, `0:${socket}`],
      });
      const direct = (database: string) => `postgresql://tester@127.0.0.1:${port}/${database}`;
      const tunnel = (database: string) => `postgresql://tester@127.0.0.1:${client.ports[0]}/${database}`;
      const query = (url: string, sql: string): Promise<string> =>
        outputOfRun(psql, ['-X', '-At', '-v', 'ON_ERROR_STOP=1', '-d', url], sql);
      const dump = async (url: string): Promise<string> =>
        withoutTokens(await outputOfRun(pgDump, ['-d', url]));

      const columns = 'id integer primary key, title text not null, cover bytea not null';
      const values = "i, md5(i::text), decode(repeat(md5(i::text), 8), 'hex')";
      await query(tunnel('postgres'), `create table book (${columns})`);
      await query(tunnel('postgres'), `insert into book select ${values} from generate_series(1, ${ROWS}) i`);
      await query(tunnel('postgres'), 'create database copy');
      const sum = "select count(*), md5(string_agg(title || encode(cover, 'hex'), '' order by id)) from book";
      const expected = await query(direct('postgres'), sum);
      expect(expected).toMatch(new RegExp(`^${ROWS}\\|[0-9a-f]{32}\\n$`));
      expect(await query(tunnel('postgres'), sum)).toBe(expected);
      const bySocket = `postgresql://tester@127.0.0.1:${client.ports[1]}/postgres`;
      expect(await query(bySocket, sum)).toBe(expected);

      const dumped = await dump(tunnel('postgres'));
      expect(dumped.length).toBeGreaterThan(ROWS * 250);
      expect(dumped === (await dump(direct('postgres')))).toBe(true);
      await query(tunnel('copy'), dumped);
      expect(await query(direct('copy'), sum)).toBe(expected);
      expect((await dump(direct('copy'))) === dumped).toBe(true);
    },
    TEST_LIMIT_MS,
  );
});

describe('Redis', () => {
  it(
    `answers ${COMMANDS} commands in one pipeline, and keeps every value`,
    async (context) => {
      const [server, cli] = ['redis-server', 'redis-cli'].map(installed);
      if (server === undefined || cli === undefined) return context.skip('Redis is not installed');
      const port = await closedPort();
      const flags = [
        '--bind',
        '127.0.0.1',
        '--port',
        String(port),
        '--save',
        '',
        '--dir',
        temporaryDirectory(),
      ];
      const redis = new RunningProgram(server, flags);
      await redis.until(() => redis.stdout.includes('Ready to accept connections'), 'Redis to listen');
      const { client } = await startTunnel({
        allow: [`localhost:${port}`],
        forwards: [`0:localhost:${port}`],
      });
      const address = ['-h', '127.0.0.1', '-p', String(client.ports[0])];

      const indices = Array.from({ length: COMMANDS }, (_, index) => index);
      const sets = indices.map((index) => command('SET', `key:${index}`, `value ${index * 7}`));
      const piped = await run(cli, [...address, '--pipe'], sets.join(''));
      expect([piped.code, piped.errors]).toEqual([0, '']);
      expect(String(piped.output)).toContain(`errors: 0, replies: ${COMMANDS}`);

      const thousands = Array.from({ length: COMMANDS / 1000 }, (_, index) => index * 1000);
      const gets = thousands.map((first) =>
        ['MGET', ...indices.slice(first, first + 1000).map((index) => `key:${index}`)].join(' '),
      );
      const { output } = await run(cli, address, `${gets.join('\n')}\n`);
      expect(String(output) === indices.map((index) => `value ${index * 7}\n`).join('')).toBe(true);
    },
    TEST_LIMIT_MS,
  );
});

async function outputOfRun(file: string, flags: readonly string[], input = ''): Promise<string> {
  const { code, output, errors } = await run(file, flags, input);
  expect([code, errors]).toEqual([0, '']);
  return String(output);
}

/** Starts a server with an empty cluster, for which anyone on this machine is a superuser. */
async function startPostgres(initdb: string, postgres: string) {
  const directory = temporaryDirectory();
  const asUser = unprivileged(directory);
  const cluster = path.join(directory, 'cluster');
  const locale = ['--locale', 'C', '--encoding', 'UTF8'];
  const created = await asUser(initdb, ['-D', cluster, '-U', 'tester', '-A', 'trust', '-N', ...locale]).ended(
    TEST_LIMIT_MS / 2,
  );
  expect(created.code).toBe(0);
  const port = await closedPort();
  const settings = ['fsync=off', 'listen_addresses=127.0.0.1', `unix_socket_directories=${directory}`];
  const flags = settings.flatMap((setting) => ['-c', setting]);
  const server = asUser(postgres, ['-D', cluster, '-p', String(port), ...flags]);
  onTestFinished(async () => {
    server.child.kill('SIGINT'); // unlike SIGKILL, it leaves no shared memory behind
    await server.ended();
  });
  const isReady = () => server.plainLines.some((line) => line.includes('ready to accept connections'));
  await server.until(() => isReady() || server.exit !== undefined, 'PostgreSQL to listen');
  expect(server.exit, server.transcript()).toBeUndefined();
  return { port, socket: path.join(directory, `.s.PGSQL.${port}`) };
}

/** PostgreSQL refuses to run as root: root starts it as the user `nobody`, and gives that user the directory. */
function unprivileged(directory: string) {
  if (process.getuid?.() !== 0)
    return (file: string, flags: readonly string[]) => new RunningProgram(file, flags);
  const [user, group] = ['-u', '-g'].map((flag) => Number(outputOf('id', [flag, 'nobody'])));
  chownSync(directory, user as number, group as number);
  const identity = ['--reuid', String(user), '--regid', String(group), '--clear-groups'];
  return (file: string, flags: readonly string[]) =>
    new RunningProgram('setpriv', [...identity, file, ...flags]);
}

/** Debian keeps the server's programs outside of PATH, in a directory for each version. */
function postgresProgram(name: string): string | undefined {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  const files = versions.map((version) => path.join(root, version, 'bin', name));
  return files.find((file) => existsSync(file)) ?? installed(name);
}

/** Each dump has a random token in two commands for psql, which restrict what it does in between. */
function withoutTokens(dump: string): string {
  return dump.replace(/^\\(un)?restrict .*$/gm, '');
}

/** A command as Redis reads it from a pipeline. */
function command(...parts: readonly string[]): string {
  return `*${parts.length}\r\n${parts.map((part) => `$${part.length}\r\n${part}\r\n`).join('')}`;
}
