/** Private property → short name, for the TypeScript files of a folder. */
export function privateNames(folder: string): Record<string, string>
