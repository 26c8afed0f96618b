import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { digestOfBytes } from '@sluice/pure';
import { PersistenceError } from './persistence-error.ts';

/** One migration as it stands on disk. */
export interface Migration {
  /** 1 for `000001_…`. */
  readonly number: number;
  /** File name. */
  readonly name: string;
  readonly digest: string;
  readonly sql: string;
}

/** Where the migrations and the schema dump are: the repository's `migrations/`. */
export const MIGRATIONS_FOLDER: string = fileURLToPath(
  new URL('../../../migrations/', import.meta.url),
);

/**
 * The migrations of a folder, in order.
 * @throws PersistenceError `migration-mismatch` when their numbers are not 1, 2, 3 …
 */
export async function readMigrations(folder = MIGRATIONS_FOLDER): Promise<readonly Migration[]> {
  const names = (await readdir(folder)).filter((name) => /^[0-9]{6}_.*\.sql$/.test(name)).sort();
  return Promise.all(
    names.map(async (name, index) => {
      const number = Number(name.slice(0, 6));
      if (number !== index + 1) {
        throw new PersistenceError(
          'migration-mismatch',
          `${name} in ${folder} should have the number ${index + 1}: numbers go up by one, none twice.`,
        );
      }
      const sql = await readFile(join(folder, name), 'utf8');
      return { number, name, digest: digestOfBytes(sql), sql };
    }),
  );
}
