import { rename, writeFile } from 'node:fs/promises';
import { type CodecKeys, loadCodecKeys } from '@sluice/temporal-client';

/** A command line that cannot be carried out as it is. */
export class UsageError extends Error {
  readonly code = 'usage';

  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

/** Where the tool reads its surroundings from and writes to. */
export interface ToolIo {
  out(text: string): void;
  err(text: string): void;
  /** Characters in a line of the terminal that `err` goes to; undefined where it is none. */
  readonly errColumns: number | undefined;
  /** Whether `out` goes to a terminal that shows colours. */
  readonly isColoured: boolean;
  readonly processors: number;
}

/**
 * The keys of a key file; undefined where none was named.
 * @throws UsageError
 */
export async function readKeys(path: string | undefined): Promise<CodecKeys | undefined> {
  if (path === undefined) return undefined;
  try {
    return await loadCodecKeys(path);
  } catch (error) {
    throw new UsageError(`The key file ${path} cannot be used: ${(error as Error).message}`);
  }
}

/**
 * Writes a file so that its reader sees all of it or nothing.
 * @throws UsageError when it cannot be written
 */
export async function writeWhole(path: string, text: string): Promise<void> {
  const aside = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(aside, text);
    await rename(aside, path);
  } catch (error) {
    throw new UsageError(`${path} cannot be written: ${(error as Error).message}`);
  }
}
