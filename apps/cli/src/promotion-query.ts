import { isDigest, isName, PROMOTION_STATES } from '@sluice/domain';
import type { ApiClient } from './api-client.ts';
import { CliError, EXIT_CODES } from './exit-codes.ts';
import { OPERATIONS } from './operations.ts';
import { getRelease } from './release.command.ts';

const PAGE = 100;
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;
const STATES: readonly string[] = PROMOTION_STATES.map((state) => state.toUpperCase());
const KINDS = ['PROMOTE', 'ROLLBACK'];
const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
const INSTANT = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/;

/** Which promotions, as words `key=value` say. */
export interface PromotionQuery {
  readonly states?: readonly string[];
  readonly environment?: string;
  /** Digest or `name@version`. */
  readonly release?: string;
  readonly kind?: string;
  /** RFC 3339. */
  readonly since?: string;
  /** RFC 3339. */
  readonly until?: string;
  readonly limit: number;
}

/** A promotion that a query found, with which of its runs are archived. */
export interface FoundPromotion {
  readonly id: string;
  readonly state: string;
  readonly histories: readonly { readonly runId: string; readonly expiredAt: string | null }[];
}

/** True when a word of the command line is part of a query, and neither a promotion nor a path. */
export function isQueryWord(word: string): boolean {
  return /^[a-z]+=/.test(word);
}

/**
 * Reads the words of a query.
 * @param now milliseconds since the epoch, from which durations count back
 * @throws CliError `query-invalid`
 */
export function parseQuery(words: readonly string[], now: number): PromotionQuery {
  let query: PromotionQuery = { limit: DEFAULT_LIMIT };
  const seen = new Set<string>();
  for (const word of words) {
    const at = word.indexOf('=');
    const key = word.slice(0, at);
    const value = word.slice(at + 1);
    if (seen.has(key)) throw invalid(word, `${key} is said twice; states are a list: state=a,b.`);
    seen.add(key);
    query = { ...query, ...readWord(word, key, value, now) };
  }
  if (query.since !== undefined && query.until !== undefined && query.since >= query.until) {
    throw invalid(words.join(' '), 'Its since is not before its until: nothing fits.');
  }
  return query;
}

function readWord(word: string, key: string, value: string, now: number): Partial<PromotionQuery> {
  switch (key) {
    case 'state': {
      const states = value.toUpperCase().split(',');
      if (states.every((state) => STATES.includes(state))) return { states };
      throw invalid(word, `States: ${STATES.join(', ').toLowerCase()}.`);
    }
    case 'environment':
      if (isName(value)) return { environment: value };
      throw invalid(word, 'Write the name of an environment.');
    case 'release':
      if (isDigest(value) || /^[^@]+@[^@]+$/.test(value)) return { release: value };
      throw invalid(word, 'Write its digest (sha256:…) or name@version.');
    case 'kind':
      if (KINDS.includes(value.toUpperCase())) return { kind: value.toUpperCase() };
      throw invalid(word, 'Kinds: promote, rollback.');
    case 'since':
    case 'until':
      return { [key]: instantOf(word, value, now) };
    case 'limit':
      if (/^[1-9]\d{0,3}$/.test(value) && Number(value) <= MAX_LIMIT) {
        return { limit: Number(value) };
      }
      throw invalid(word, `Write a number from 1 to ${MAX_LIMIT}.`);
    default:
      throw invalid(word, 'Words: state=, environment=, release=, kind=, since=, until=, limit=.');
  }
}

function instantOf(word: string, value: string, now: number): string {
  const [, count = '', unit = ''] = /^([1-9]\d{0,5})([smhdw])$/.exec(value) ?? [];
  const seconds = Number(count) * (SECONDS[unit] ?? Number.NaN);
  if (Number.isFinite(seconds)) return new Date(now - seconds * 1000).toISOString();
  const time = INSTANT.test(value) ? Date.parse(value) : Number.NaN;
  if (!Number.isNaN(time)) return new Date(time).toISOString();
  throw invalid(word, 'Write how long ago (30m, 24h, 7d) or an instant (2026-11-21T12:00:00Z).');
}

/**
 * Promotions that a query names, newest first, no more than its limit.
 * @returns `isMore` when the limit left some out
 */
export async function listPromotions(
  api: ApiClient,
  query: PromotionQuery,
): Promise<{ readonly found: readonly FoundPromotion[]; readonly isMore: boolean }> {
  const { limit, release, ...rest } = query;
  const id = release === undefined ? undefined : (await getRelease(api, release)).id;
  const filter = { ...rest, ...(id !== undefined && { release: id }) };
  const found: FoundPromotion[] = [];
  let after: string | null = null;
  for (;;) {
    const first = Math.min(PAGE, limit - found.length);
    const variables: Record<string, unknown> = { first, after, filter };
    const { promotions }: PromotionsAnswer = await api.run(
      OPERATIONS.promotionsWithHistories,
      variables,
    );
    found.push(...promotions.edges.map(({ node }) => node));
    const { hasNextPage, endCursor } = promotions.pageInfo;
    after = hasNextPage ? endCursor : null;
    if (after === null || found.length >= limit) return { found, isMore: after !== null };
  }
}

interface PromotionsAnswer {
  readonly promotions: {
    readonly edges: readonly { readonly node: FoundPromotion }[];
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  };
}

function invalid(word: string, next: string): CliError {
  return new CliError(EXIT_CODES.usage, 'query-invalid', `"${word}" is no query.`, next);
}
