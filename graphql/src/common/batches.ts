import type { Page as RecordPage, Tx } from '@sluice/persistence';
import DataLoader from 'dataloader';
import type { InTenant } from './in-tenant.ts';
import type { Page } from './page.ts';

/** Keys read with one statement; a page of parents is at most 100, nested pages add up. */
const MAX_BATCH = 1000;

/** Loads at most one row per key. */
export function loadOne<R>(
  inTenant: InTenant,
  list: (tx: Tx, keys: readonly string[]) => Promise<readonly R[]>,
  keyOf: (row: R) => string,
): (key: string) => Promise<R | undefined> {
  const loader = new DataLoader<string, R | undefined>(
    async (keys) => {
      const rows = await inTenant((tx) => list(tx, keys));
      const byKey = new Map(rows.map((row) => [keyOf(row), row]));
      return keys.map((key) => byKey.get(key));
    },
    { maxBatchSize: MAX_BATCH },
  );
  return (key) => loader.load(key);
}

/** Loads any number of rows per key, in the order in which they are listed. */
export function loadMany<R>(
  inTenant: InTenant,
  list: (tx: Tx, keys: readonly string[]) => Promise<readonly R[]>,
  keyOf: (row: R) => string,
): (key: string) => Promise<readonly R[]> {
  const loader = new DataLoader<string, readonly R[]>(
    async (keys) => {
      const byKey = new Map<string, R[]>(keys.map((key) => [key, []]));
      for (const row of await inTenant((tx) => list(tx, keys))) byKey.get(keyOf(row))?.push(row);
      return keys.map((key) => byKey.get(key) ?? []);
    },
    { maxBatchSize: MAX_BATCH },
  );
  return (key) => loader.load(key);
}

/** One parent's page, as a batch reads it. */
export interface PageKey {
  readonly id: string;
  readonly after: string | null;
}

/** Loads one page per key; a batch holds pages of one size, which is what one selection asks for. */
export function loadPages<R>(
  inTenant: InTenant,
  list: (tx: Tx, keys: readonly PageKey[], first: number) => Promise<readonly RecordPage<R>[]>,
): (id: string, page: Page) => Promise<RecordPage<R>> {
  const loaders = new Map<number, DataLoader<PageKey, RecordPage<R>, string>>();
  return (id, { first, after }) => {
    let loader = loaders.get(first);
    if (loader === undefined) {
      loader = new DataLoader((keys) => inTenant((tx) => list(tx, keys, first)), {
        maxBatchSize: MAX_BATCH,
        cacheKeyFn: (key) => `${key.id} ${key.after ?? ''}`,
      });
      loaders.set(first, loader);
    }
    return loader.load({ id, after });
  };
}
