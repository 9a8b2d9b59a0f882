/** `--inspect`: a page that shows the running tunnel. */
import { once } from 'node:events';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { accessibilityProblems, BROWSER, launchBrowser, NAMELESS, TOO_WIDE, WAIT } from './chromium.js';
import { type RunningProgram, runUnderpass } from './running-program.js';
import { clientArguments, setUpRelay, startClient, startRelay } from './tunnel.js';

const PHONE = { viewport: { width: 390, height: 844 }, colorScheme: 'dark' } as const;

/** Sends without end to whoever connects. */
async function startSource(): Promise<number> {
  const piece = Buffer.alloc(64 * 1024, 'secret payload ');
  const server = createServer((socket) => {
    const fill = (): void => {
      while (socket.writable && socket.write(piece));
    };
    socket.on('error', () => {}).on('drain', fill);
    fill();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

/** Reads a little at a time, so that the transfer lasts as long as the test. */
async function startDownload(port: number): Promise<Socket> {
  const socket = connectTcp(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  socket.on('data', () => {
    socket.pause();
    setTimeout(() => socket.resume(), 5);
  });
  return socket;
}

async function inspected() {
  const source = await startSource();
  const setup = setUpRelay([`127.0.0.1:${source}`]);
  const relay = await startRelay(setup, 0, ['--inspect']);
  const client = await startClient(setup, relay.port, [`0:127.0.0.1:${source}`], ['--inspect=0']);
  await client.program.event('connected');
  return { setup, source, relay: relay.program, client: client.program, port: client.ports[0] ?? 0 };
}

const linkOf = async (program: RunningProgram) => String((await program.event('inspect')).link);

describe('a relay and a client with --inspect', () => {
  it('log a link that works once, from the first request on', async () => {
    const { client } = await inspected();
    const link = await linkOf(client);
    const { port } = await client.event('inspect');
    expect(link).toMatch(new RegExp(`^http://127\\.0\\.0\\.1:${Number(port)}/\\?token=[\\w-]{43}$`));
    expect((await fetch(new URL('/', link))).status).toBe(403);
    const first = await fetch(link);
    expect(first.status).toBe(200);
    const second = await fetch(link);
    expect([second.status, await second.text()]).toEqual([
      403,
      expect.stringContaining('this link was used before'),
    ]);
    await client.event('inspect-refused');
  });

  it('do not start if the port is in use, with several workers, or for -W', async () => {
    const { setup, source } = await inspected();
    const inUse = ['relay', '--config', setup.config, '--inspect', String(source)];
    const failed = await runUnderpass(inUse);
    expect([failed.code, failed.lines]).toEqual([1, [expect.stringContaining(`${source} is in use`)]]);
    const workers = ['relay', '--config', setup.config, '--workers', '2', '--inspect'];
    const refused = await runUnderpass(workers);
    expect(refused.code).toBe(2);
    expect(refused.lines.at(-1)).toContain('cannot show a relay of several workers');
    const stdio = await runUnderpass([...clientArguments(setup, 9, []), '-W', 'localhost:9', '--inspect']);
    expect([stdio.code, stdio.lines[0]]).toEqual([2, expect.stringContaining('-W logs no link')]);
    const misplaced = await runUnderpass(['client', '--inspect', 'vps']);
    expect([misplaced.code, misplaced.lines.join()]).toEqual([2, expect.stringContaining('--inspect=0')]);
  });
});

describe.skipIf(BROWSER === undefined)('the inspector in a browser (needs chromium)', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser?.close());

  /** Opens the link as another person would, whose browser has no session. It fails the test if the page asks for
   *  anything from elsewhere, or reports an error. */
  async function open(link: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext(options);
    onTestFinished(() => context.close());
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT.timeout);
    const { origin } = new URL(link);
    page.on('request', (request) => expect(new URL(request.url()).origin).toBe(origin));
    page.on('pageerror', (error) => expect.unreachable(error.stack));
    await page.goto(link);
    return page;
  }

  const read = (page: Page, fact: string) =>
    page
      .locator('.facts div', { has: page.getByText(fact, { exact: true }) })
      .locator('dd')
      .textContent();
  const counts = async (page: Page) =>
    ((await page.locator('.datagram-list .count').textContent()) ?? '').match(/\d+/g)?.map(Number) ?? [];

  it('shows the peer, its stream, and figures that change during a transfer', async () => {
    const { client, port, source } = await inspected();
    const page = await open(await linkOf(client));
    await page.getByText('connected', { exact: true }).waitFor();
    await page.getByText('No stream is open.').waitFor();
    await startDownload(port);
    const row = page.locator('.streams tbody tr');
    await row.getByText(`127.0.0.1:${source}`).waitFor();
    const before = await read(page, 'Received');
    await expect.poll(() => read(page, 'Received'), WAIT).not.toBe(before);
    await expect.poll(() => counts(page), WAIT).toEqual([expect.any(Number), expect.any(Number)]);
    await page.locator('.datagram-list li', { hasText: 'STREAM' }).first().waitFor();
    const [shown = 0, passed = 0] = await counts(page);
    expect(shown).toBeGreaterThan(0);
    expect(passed).toBeGreaterThanOrEqual(shown);
    const throughput = page.locator('figcaption', { hasText: 'Throughput' });
    await expect.poll(() => throughput.textContent(), WAIT).toMatch(/· \d*[1-9]\d*\.?\d* Mbit/);
    expect(await page.getByRole('heading', { name: 'Sessions and keypairs' }).count()).toBe(1);
    expect(await page.getByText('keypair-expiry').count()).toBe(1);
    expect(await page.content()).not.toContain('secret payload');
  });

  it('refuses the link the second time, and keeps the session of the first', async () => {
    const { client } = await inspected();
    const link = await linkOf(client);
    const page = await open(link);
    await page.getByText('connected', { exact: true }).waitFor();
    expect(page.url()).not.toContain('token');
    const other = await open(link);
    expect(await other.locator('body').textContent()).toContain('this link was used before');
    const stranger = await open(page.url());
    expect(await stranger.locator('body').textContent()).toContain('open the link that the log shows');
    await page.reload();
    await page.getByText('connected', { exact: true }).waitFor();
  });

  it('lets the reader of a relay choose a peer, pause, and use the keyboard', async () => {
    const { relay, port } = await inspected();
    await startDownload(port);
    const page = await open(await linkOf(relay));
    const picker = page.getByLabel('Peer');
    await expect.poll(() => picker.locator('option').allTextContents(), WAIT).toEqual(['laptop']);
    await page.locator('.datagram-list li', { hasText: 'STREAM' }).first().waitFor();
    await page.keyboard.press('Space');
    await page.getByRole('button', { name: 'Resume' }).waitFor();
    const paused = await read(page, 'Sent');
    await page.keyboard.press('Space');
    await page.getByRole('button', { name: 'Pause' }).waitFor();
    await expect.poll(() => read(page, 'Sent'), WAIT).not.toBe(paused);
  });

  it('says that the process has ended', async () => {
    const { client } = await inspected();
    const page = await open(await linkOf(client));
    await page.getByText('connected', { exact: true }).waitFor();
    client.child.kill('SIGTERM');
    await page.getByRole('alert').getByText('The process does not answer.').waitFor();
    expect(await client.ended()).toEqual({ code: 0, signal: null });
  });

  it('gives every control a name, fits a phone, and can be read in both colour schemes', async () => {
    const { relay, port } = await inspected();
    await startDownload(port);
    const page = await open(await linkOf(relay), PHONE);
    await page.locator('.datagram-list li', { hasText: 'STREAM' }).first().waitFor();
    await page.keyboard.press('Space');
    await page.getByRole('button', { name: 'Resume' }).waitFor();
    expect(await page.evaluate(NAMELESS)).toEqual([]);
    expect(await page.evaluate(TOO_WIDE)).toBeLessThanOrEqual(0);
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' }); // no colour on its way to another
      expect(await accessibilityProblems(page), colorScheme).toEqual([]);
    }
  });
});
