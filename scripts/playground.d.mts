/** Builds the playground into a folder. What is in the folder is removed. */
export function buildPlayground(
  outDir: string,
  options?: { readonly specBase?: string; readonly quiet?: boolean },
): Promise<void>;
