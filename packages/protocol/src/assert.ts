/** A bug in this program. Nothing that a peer sends or a file contains may cause one. */
export class AssertionError extends Error {
  override name = 'AssertionError';
}

/** @throws AssertionError with `message` when `condition` is false */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}
