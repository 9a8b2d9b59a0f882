/** The package manager and its version: started by npx, so that a machine with only Node and npm can begin. */
export const PNPM = 'pnpm@12.21.0';
