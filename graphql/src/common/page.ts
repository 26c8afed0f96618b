import type { Page as RecordPage } from '@sluice/persistence';
import type { GraphQLError } from 'graphql';
import { badUserInput } from './bad-user-input.ts';

/** More than this many nodes on one page are refused. */
export const MAX_PAGE = 100;

/** Paging arguments as GraphQL hands them over. */
export interface PageArgs {
  readonly first?: number | null;
  readonly after?: string | null;
}

/** Checked paging arguments. */
export interface Page {
  /** 1 to 100. */
  readonly first: number;
  /** The cursor after which the page begins; null for the beginning. */
  readonly after: string | null;
}

/** One page of a connection, in the schema's shape. */
export interface Connection<T> {
  readonly edges: readonly { readonly cursor: string; readonly node: T }[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
}

/** Checks paging arguments; null means the default. Throws a `BAD_USER_INPUT` error. */
export function readPage(args: PageArgs, defaultFirst: number): Page {
  const first = args.first ?? defaultFirst;
  if (!Number.isInteger(first) || first < 1 || first > MAX_PAGE) {
    throw badUserInput(`first: write a whole number from 1 to ${MAX_PAGE}.`, 'first');
  }
  const after = args.after ?? null;
  if (after !== null && !/^[A-Za-z0-9_-]{1,500}$/.test(after)) throw badCursor();
  return { first, after };
}

/** The error for a cursor that no page of this connection gave. */
export function badCursor(): GraphQLError {
  return badUserInput('after: this is no cursor of this list; hand over an endCursor.', 'after');
}

/** A page of records as the connection that the schema has. */
export function connectionOf<R, V>(page: RecordPage<R>, view: (record: R) => V): Connection<V> {
  return {
    edges: page.edges.map(({ cursor, node }) => ({ cursor, node: view(node) })),
    pageInfo: { hasNextPage: page.hasNextPage, endCursor: page.endCursor },
  };
}
