import type { ComponentChildren } from 'preact';

/** A box for a table that may be wider than the page. It takes the focus, so that it can be scrolled with the keyboard.
 *  @param title  the id of the heading that names it */
export function Scroll({
  title,
  children,
}: {
  readonly title: string;
  readonly children: ComponentChildren;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and some browsers give no focus to what scrolls
    <section class="scroll" tabIndex={0} aria-labelledby={title}>
      {children}
    </section>
  );
}
