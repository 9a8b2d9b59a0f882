/** A browser through a dynamic forward. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { installed } from './installed.js';
import { RunningProgram } from './running-program.js';
import { temporaryDirectory } from './temporary-directory.js';
import { setUpRelay, startClient, startRelay } from './tunnel.js';

const RESOURCES = 50;
/** A browser starts slowly on a busy machine. */
const BROWSER_LIMIT_MS = 120_000;
const TEST_LIMIT_MS = BROWSER_LIMIT_MS + 60_000;

/** A page with images, which says in its title how many of them were loaded. */
async function startSite(): Promise<{ readonly port: number; readonly paths: ReadonlySet<string> }> {
  const paths = new Set<string>();
  const images = Array.from({ length: RESOURCES }, (_, index) => `<img src="/${index}.svg">`);
  const count = '[...document.images].filter((image) => image.naturalWidth === 7).length';
  const page = `<body onload="document.title = 'loaded ' + ${count}">${images.join('')}</body>`;
  const image = '<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"></svg>';
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    paths.add(path);
    const isImage = path.endsWith('.svg');
    response.setHeader('content-type', isImage ? 'image/svg+xml' : 'text/html');
    response.end(isImage ? image : page);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, paths };
}

/** Loads the page through a dynamic forward that the browser uses as a proxy of that kind.
 *  @returns what it shows in the end, or undefined if there is no browser */
async function load(scheme: string, port: number): Promise<string | undefined> {
  const chromium = ['chromium', 'chromium-browser', 'google-chrome'].map(installed).find((file) => file);
  if (chromium === undefined) return undefined;
  const setup = setUpRelay([`localhost:${port}`]);
  const relay = await startRelay(setup);
  const { program } = await startClient(setup, relay.port, [], ['-D', '0']);
  const listening = await program.event('listening', (event) => event.kind === 'dynamic');
  const [{ port: proxy }] = listening.addresses as readonly [{ readonly port: number }];
  const browser = new RunningProgram(chromium, [
    ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'],
    ...[`--user-data-dir=${temporaryDirectory()}`, `--proxy-server=${scheme}://127.0.0.1:${proxy}`],
    ...['--proxy-bypass-list=<-loopback>', '--dump-dom', `http://localhost:${port}/`],
  ]);
  await browser.ended(BROWSER_LIMIT_MS);
  return browser.stdout;
}

describe('a browser with a dynamic forward as its proxy', () => {
  it(
    'loads a page with 50 images by SOCKS',
    async (context) => {
      const { port, paths } = await startSite();
      const page = await load('socks5', port);
      if (page === undefined) return context.skip('chromium is not installed');
      expect(page).toContain(`<title>loaded ${RESOURCES}</title>`);
      expect(paths.size).toBeGreaterThan(RESOURCES);
    },
    TEST_LIMIT_MS,
  );

  it(
    'is told what to use if it takes it for an HTTP proxy (spec proxy 4: "MUST answer every method other than CONNECT")',
    async (context) => {
      const { port } = await startSite();
      const page = await load('http', port);
      if (page === undefined) return context.skip('chromium is not installed');
      expect(page).toContain('this proxy forwards connections, not HTTP requests');
    },
    TEST_LIMIT_MS,
  );
});
