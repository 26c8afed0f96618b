import { PersistenceError } from './persistence-error.ts';

/** Rows of one page at most. */
export const MAX_PAGE_SIZE = 100;

/** Which page of a list. */
export interface PageRequest {
  /** 1 to {@link MAX_PAGE_SIZE}. */
  readonly first: number;
  /** A cursor of an earlier page; absent or null for the first page. */
  readonly after?: string | null | undefined;
}

/** One page of a list, in the shape that the API's connections have. */
export interface Page<T> {
  readonly edges: readonly { readonly cursor: string; readonly node: T }[];
  readonly hasNextPage: boolean;
  /** Cursor of the last edge; null for an empty page. */
  readonly endCursor: string | null;
}

type SortKey = readonly (string | number)[];

/** Rows to read for a page: one more than it shows, to know whether another page follows. */
export function rowsToRead({ first }: PageRequest): number {
  if (!Number.isInteger(first) || first < 1 || first > MAX_PAGE_SIZE) {
    throw new PersistenceError(
      'page-size-invalid',
      `A page of ${first} cannot be read: ask for 1 to ${MAX_PAGE_SIZE}.`,
    );
  }
  return first + 1;
}

/** Builds a page from at most `first + 1` rows. */
export function pageOf<T>(
  rows: readonly T[],
  { first }: PageRequest,
  sortKey: (row: T) => SortKey,
): Page<T> {
  const edges = rows.slice(0, first).map((node) => ({ cursor: encodeCursor(sortKey(node)), node }));
  return {
    edges,
    hasNextPage: rows.length > first,
    endCursor: edges.at(-1)?.cursor ?? null,
  };
}

/** A sort key as opaque text: base64url of its JSON. */
export function encodeCursor(key: SortKey): string {
  return Buffer.from(JSON.stringify(key), 'utf8').toString('base64url');
}

/**
 * The sort key of a cursor; null where none is given.
 * @param shape type of each part, in order
 * @throws PersistenceError `cursor-invalid`
 */
export function decodeCursor(
  cursor: string | null | undefined,
  shape: readonly ('string' | 'number' | 'instant')[],
): SortKey | null {
  if (cursor === null || cursor === undefined) return null;
  const key = parse(cursor);
  if (
    Array.isArray(key) &&
    key.length === shape.length &&
    shape.every((kind, index) => fits(key[index], kind))
  ) {
    return key as SortKey;
  }
  throw new PersistenceError(
    'cursor-invalid',
    'This cursor does not belong to this list: take one from a page of the same list.',
  );
}

function parse(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}

const INSTANT = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$/;

function fits(part: unknown, kind: 'string' | 'number' | 'instant'): boolean {
  if (kind === 'number') return Number.isSafeInteger(part);
  if (typeof part !== 'string' || part.length > 300 || part.includes('\u0000')) return false;
  return kind === 'string' || (INSTANT.test(part) && !Number.isNaN(Date.parse(part)));
}
