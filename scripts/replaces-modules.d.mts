/** Whether a file of tests puts others in the place of modules. */
export function replacesModules(file: string): boolean;
