/** The playground as people use it: the built page in a browser. */
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lineOf } from '../../packages/playground/src/view/ladder/geometry.js';
import { buildPlayground } from '../../scripts/playground.mjs';
import { accessibilityProblems, BROWSER, launchBrowser, NAMELESS, TOO_WIDE, WAIT } from './chromium.js';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
};
const MAX_PAGE_BYTES = 300_000;
/** A client that sends its first message, 20 ms after it did. */
const START = 'v=1&seed=1&clients=bbr&link=shared,40,0,4000,32,0&at=20&do=1:upload,1,20000';
const SPAN_MS = 140;

/** Whether the address of the page has caught up with the moment that it shows. In the browser. */
const ADDRESS_IS_CURRENT = `Math.abs(
  Number(/&at=([\\d.]+)/.exec(location.hash)?.[1]) - parseFloat(document.querySelector('.scrub .reading').textContent)
) < 0.06`;

describe.skipIf(BROWSER === undefined)('the playground in a browser (needs chromium)', () => {
  let browser: Browser;
  let folder: string;
  let address: string;
  const server = createServer((request, response) => {
    const file = path.join(folder, (request.url ?? '/') === '/' ? 'index.html' : (request.url as string));
    response.statusCode = existsSync(file) ? 200 : 404;
    response.setHeader('content-type', TYPES[path.extname(file)] ?? 'text/plain');
    response.end(existsSync(file) ? readFileSync(file) : '');
  });

  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'underpass-playground-'));
    await buildPlayground(folder);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Opens a page. It fails the test if the page asks for anything from elsewhere, or reports an error. */
  async function open(fragment: string, size = { width: 1440, height: 900 }): Promise<Page> {
    const page = await browser.newPage({ viewport: size });
    page.setDefaultTimeout(WAIT.timeout);
    page.on('request', (request) => expect(request.url().startsWith(address), request.url()).toBe(true));
    page.on('console', (message) => expect(message.type(), message.text()).not.toBe('error'));
    page.on('pageerror', (error) => expect.unreachable(error.stack));
    await page.goto(`${address}#${fragment}`);
    await page.getByRole('button', { name: 'Play', exact: true }).waitFor();
    return page;
  }

  const rows = (page: Page) => page.locator('.datagram-list li').allTextContents();
  const clock = (page: Page) => page.locator('.scrub .reading').textContent();
  const happenings = (page: Page) => page.locator('.happenings li').allTextContents();

  async function stepUntil(page: Page, text: RegExp): Promise<void> {
    for (let i = 0; i < 60; i++) {
      if ((await happenings(page)).some((line) => text.test(line))) return;
      await page.getByRole('button', { name: 'Step' }).click();
    }
    expect.unreachable(`nothing like ${text} happened`);
  }

  it('shows a click on a datagram, drops it, and shows how it is repaired', async () => {
    const page = await open(START);
    const box = (await page.locator('.ladder').boundingBox()) as {
      x: number;
      y: number;
      width: number;
      height: number;
    };
    const { x0, yDeparture, x1, y1 } = lineOf(
      { ...box, now: 20, spanMs: SPAN_MS },
      { target: 'relay', sentAt: 0, departsAt: 0.3, endsAt: 40.3, reach: 1 },
    );
    await page.mouse.click(box.x + (x0 + x1) / 2, box.y + (yDeparture + y1) / 2);
    await page.getByRole('heading', { name: 'Datagram 1: Initiation' }).waitFor();
    await page.getByRole('button', { name: 'Drop', exact: true }).click();
    await page.locator('.inspector').getByText('dropped by you').waitFor();
    expect(await page.getByRole('button', { name: 'Drop', exact: true }).isDisabled()).toBe(true);
    await stepUntil(page, /Client 1: connected/);
    expect(await page.locator('.repair').textContent()).toMatch(
      /^Its content was sent again in datagram 2 after/,
    );
    expect((await rows(page)).slice(0, 2).join()).toMatch(/Initiation.*dropped by you.*Initiation.*arrived/s);
    await page.close();
  });

  it('goes back in time and forward again', async () => {
    const page = await open(`${START};25:drop,1`);
    await page.getByLabel('Moment').fill('20');
    for (let i = 0; i < 4; i++) await page.getByRole('button', { name: 'Step' }).click();
    const [at, after] = [await clock(page), await rows(page)];
    expect(after[0]).toContain('dropped by you');
    await page.getByLabel('Moment').fill('20');
    expect(await rows(page)).toEqual([expect.stringContaining('on its way')]);
    for (let i = 0; i < 4; i++) await page.getByRole('button', { name: 'Step' }).click();
    expect([await clock(page), await rows(page)]).toEqual([at, after]);
    await page.getByRole('button', { name: '‹ Back' }).click();
    expect(await clock(page)).not.toBe(at);
    await page.close();
  });

  it('opens a shared link to the same state', async () => {
    const page = await open(START);
    await page.getByRole('button', { name: 'New address' }).click();
    for (let i = 0; i < 25; i++) await page.getByRole('button', { name: 'Step' }).click();
    await expect.poll(() => page.evaluate(ADDRESS_IS_CURRENT), WAIT).toBe(true);
    const other = await open(new URL(page.url()).hash.slice(1));
    expect([await clock(other), await rows(other), await happenings(other)]).toEqual([
      await clock(page),
      await rows(page),
      await happenings(page),
    ]);
    expect(await other.getByRole('alert').count()).toBe(0);
    await page.close();
    await other.close();
  });

  it('says what is wrong with a link, and that a link is of another version of the protocol', async () => {
    const page = await open('v=1&seed=x');
    expect(await page.getByRole('alert').textContent()).toContain("has 'seed=x': expected a whole number");
    const other = await open(`${START}&check=0123456789abcdef`);
    expect(await other.getByRole('alert').textContent()).toContain('another version of the protocol');
    await page.close();
    await other.close();
  });

  it('can be used with the keyboard alone', async () => {
    const page = await open(START);
    await page.keyboard.press('ArrowDown');
    await page.getByRole('heading', { name: 'Datagram 1: Initiation' }).waitFor();
    expect(await page.getByRole('status').textContent()).toContain(
      'Datagram 1: Initiation, Client 1 to relay',
    );
    await page.keyboard.press('d');
    await page.getByText('dropped by you').first().waitFor();
    expect(await page.getByRole('status').textContent()).toBe('You dropped datagram 1.');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Space');
    await page.getByRole('button', { name: 'Pause' }).waitFor();
    await page.keyboard.press('Space');
    await page.getByRole('button', { name: 'Play', exact: true }).waitFor();
    await page.close();
  });

  it('gives every control a name, and fits a phone', async () => {
    const page = await open(START, { width: 390, height: 844 });
    expect(await page.evaluate(NAMELESS)).toEqual([]);
    expect(await page.evaluate(TOO_WIDE)).toBeLessThanOrEqual(0);
    await page.close();
  });

  it('can be read in both colour schemes', async () => {
    const page = await open('experiment=replay');
    await page.keyboard.press('ArrowDown');
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' }); // no colour on its way to another
      expect(await accessibilityProblems(page), colorScheme).toEqual([]);
    }
    await page.close();
  });

  it('asks for a prediction before it explains an experiment', async () => {
    const page = await open('experiment=replay');
    expect(await page.getByText('What happened, and why').count()).toBe(0);
    await page.getByLabel('It drops the datagram, and does not answer.').check();
    await page.getByText('What happened, and why').click();
    await page.getByText('You were right.').waitFor();
    await page.close();
  });

  it('is small enough to be loaded in a moment', () => {
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    const bytes = files.reduce(
      (sum, { parentPath, name }) => sum + gzipSync(readFileSync(path.join(parentPath, name))).length,
      0,
    );
    expect(bytes).toBeLessThan(MAX_PAGE_BYTES);
    expect(bytes).toBeGreaterThan(20_000);
  });
});
