/** The heading of a page: the mark, the name of the project and that of the page. */
export function Title({ page }: { readonly page: string }) {
  return (
    <h1>
      <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
        <rect width="32" height="32" rx="7" />
        <path d="M5 23a11 11 0 0 1 22 0M10 23h12" />
      </svg>
      Underpass <span>{page}</span>
    </h1>
  );
}
