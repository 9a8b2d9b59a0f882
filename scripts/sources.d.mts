/** `@underpass/forward/spec` and the like, each with the path of its source. */
export function sourcesByName(): Map<string, string>;
