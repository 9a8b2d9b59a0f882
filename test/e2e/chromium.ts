/** The browser for tests of pages. */
import { type Browser, chromium } from 'playwright-core';
import { installed } from './installed.js';

/** Undefined if there is none. */
export const BROWSER = ['chromium', 'chromium-browser', 'google-chrome'].map(installed).find((file) => file);

/** Waits for as long as the test may take: the machine may be busy. */
export const WAIT = { timeout: 120_000 };

const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

/** The controls that a screen reader could not name. In the browser. */
export const NAMELESS = `[...document.querySelectorAll('button, input, select, summary, canvas')]
  .filter((one) => !one.closest('[aria-hidden]'))
  .filter((one) => [one.textContent, one.ariaLabel, one.labels?.[0]?.textContent].every((text) => !text?.trim()))
  .map((one) => one.outerHTML)`;

/** How many pixels the page is wider than the window. In the browser. */
export const TOO_WIDE = 'document.documentElement.scrollWidth - innerWidth';

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: BROWSER as string, args: FLAGS, ...WAIT });
}
