import { NixError, printable } from './nix-error.ts';

/** Where Nix keeps its store unless it was built or told otherwise. */
export const DEFAULT_STORE_DIR = '/nix/store';

const NAME = /^([0-9abcdfghijklmnpqrsvwxyz]{32})-([0-9A-Za-z+\-._?=]{1,211})$/;

/** The parts of a store path. */
export interface StorePath {
  /** The whole path. */
  readonly path: string;
  /** Last part of the path: `<hash>-<name>`. */
  readonly baseName: string;
  /** 32 digits in Nix' base 32. */
  readonly hash: string;
  readonly name: string;
}

/** The parts of `<hash>-<name>`; undefined when Nix would not write it. */
export function findStoreName(baseName: string, storeDir: string): StorePath | undefined {
  const match = NAME.exec(baseName);
  if (match === null || /^\.{1,2}(?:-|$)/.test(match[2] as string)) return undefined;
  return {
    path: `${storeDir}/${baseName}`,
    baseName,
    hash: match[1] as string,
    name: match[2] as string,
  };
}

/**
 * Reads a store path: directly below the store's folder, a 32-digit hash and a name of Nix' letters.
 * @throws NixError `store-path-invalid`
 */
export function parseStorePath(path: string, storeDir: string = DEFAULT_STORE_DIR): StorePath {
  const found = path.startsWith(`${storeDir}/`)
    ? findStoreName(path.slice(storeDir.length + 1), storeDir)
    : undefined;
  if (found === undefined) {
    throw new NixError(
      'store-path-invalid',
      `"${printable(path)}" is no path of the store ${storeDir}. Give <store>/<hash>-<name>.`,
      { path: printable(path) },
    );
  }
  return found;
}

/**
 * A store's folder as it may be: absolute, plain names, nothing to normalise.
 * @throws NixError `store-path-invalid`
 */
export function assertStoreDir(storeDir: string): void {
  if (!/^(?:\/[0-9A-Za-z+\-._?=@]+)+$/.test(storeDir) || /\/\.{1,2}(?:\/|$)/.test(storeDir)) {
    throw new NixError(
      'store-path-invalid',
      `"${printable(storeDir)}" can not be a store's folder. Give an absolute path of plain names.`,
    );
  }
}
