/** Paths of unix sockets, in one form (spec forwarding 3.7). */

/** The longest path that every supported Linux takes: `sun_path` without its end. */
export const MAX_UNIX_PATH_BYTES = 107;

/** @returns what is wrong with the path of a unix socket, or undefined */
export function unixPathProblem(path: string): string | undefined {
  if (!path.startsWith('/')) return `'${path}' is not an absolute path: expected it to start with /`;
  if (Buffer.byteLength(path) > MAX_UNIX_PATH_BYTES) {
    return `'${path}' is longer than ${MAX_UNIX_PATH_BYTES} bytes, the limit for unix sockets`;
  }
  if (!isPlain(path)) return 'the path contains control characters';
  const components = path.slice(1).split('/');
  if (components.some((part) => part === '' || part === '.' || part === '..')) {
    return `'${path}' has an empty, . or .. part: write the path in full`;
  }
  return undefined;
}

function isPlain(path: string): boolean {
  // U+FFFD is what bytes that are not UTF-8 decode to.
  return !/[\p{Cc}\p{Cs}\ufffd]/u.test(path);
}
