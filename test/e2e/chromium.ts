/** The browser for tests of pages. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, chromium, type Page } from 'playwright-core';
import { installed } from './installed.js';

/** Undefined if there is none. */
export const BROWSER = ['chromium', 'chromium-browser', 'google-chrome'].map(installed).find((file) => file);

/** Waits for as long as the test may take: the machine may be busy. */
export const WAIT = { timeout: 120_000 };

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
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

/** What axe finds wrong with the page as it is shown now, by the rules of WCAG 2 (A and AA), among them those for the
 *  contrast of colours: the rule, and the elements. */
export async function accessibilityProblems(page: Page): Promise<readonly string[]> {
  await page.evaluate(readFileSync(AXE, 'utf8'));
  const rules = { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'], resultTypes: ['violations'] };
  const { violations } = (await page.evaluate(`axe.run(document, ${JSON.stringify(rules)})`)) as AxeResults;
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join('\n  ')}`);
}

interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly html: string }[];
  }[];
}
