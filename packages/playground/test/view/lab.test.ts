import { describe, expect, it } from 'vitest';
import { Lab } from '../../src/view/lab.js';

/** A window whose frames and clock the test plays. */
class FakeWindow {
  readonly location = { hash: '#v=1&seed=1&clients=bbr&link=shared,40,0,4000,32,0&at=0' };
  readonly history = { replaceState: () => undefined };
  readonly performance = { now: () => this.computedAt };
  /** The clock while a frame is computed. */
  computedAt = 0;
  #frame: ((at: number) => void) | undefined;

  addEventListener(): void {}
  setTimeout(): number {
    return 0;
  }
  clearTimeout(): void {}
  requestAnimationFrame(frame: (at: number) => void): void {
    this.#frame = frame;
  }
  /** @returns whether there was one to play */
  frame(at: number): boolean {
    const frame = this.#frame;
    this.#frame = undefined;
    this.computedAt = at;
    frame?.(at);
    return frame !== undefined;
  }
}

function open() {
  const page = new FakeWindow();
  const lab = new Lab(page as never);
  return { page, lab };
}

describe('the time of the playground', () => {
  it('runs as fast as the page says', () => {
    const { page, lab } = open();
    lab.speed.value = 100;
    lab.play();
    for (let at = 20; at <= 1000; at += 20) page.frame(at);
    expect(lab.now).toBeCloseTo(100, 3);
    lab.speed.value = 1000;
    page.frame(1020);
    expect(lab.now).toBeCloseTo(120, 3);
  });

  it('does not make up for a page that had no frames for a while', () => {
    const { page, lab } = open();
    lab.speed.value = 1000;
    lab.play();
    page.frame(60_000);
    expect(lab.now).toBeCloseTo(50, 3);
  });

  it('stands while it is paused', () => {
    const { page, lab } = open();
    lab.play();
    page.frame(20);
    lab.pause();
    const { now } = lab;
    page.frame(40);
    expect([page.frame(60), lab.now]).toEqual([false, now]);
  });
});
