import type { JsonValue, ResolvedMatrix, StepSettlement } from '@sluice/domain';
import type { Reason, ShardResult } from '@sluice/temporal-contract';
import { MAX_SHARD_REASONS } from '@sluice/temporal-contract';

/** What the members of a matrix came to, in numbers; the records have each of them. */
export interface MatrixTally extends Omit<ShardResult, 'values' | 'reasons'> {
  readonly reasons: readonly MemberReason[];
  /** By index; only what is wanted. */
  readonly values: ReadonlyMap<number, Readonly<Record<string, JsonValue>>>;
}

/** Why one member did not succeed. */
export interface MemberReason {
  readonly key: string;
  readonly reason: Reason;
}

/** Of no members. */
export const EMPTY_TALLY: MatrixTally = {
  succeeded: 0,
  failed: 0,
  denied: 0,
  cancelled: 0,
  skipped: 0,
  refused: 0,
  reasons: [],
  values: new Map(),
};

/** Both together. */
export function addTallies(a: MatrixTally, b: MatrixTally): MatrixTally {
  return {
    succeeded: a.succeeded + b.succeeded,
    failed: a.failed + b.failed,
    denied: a.denied + b.denied,
    cancelled: a.cancelled + b.cancelled,
    skipped: a.skipped + b.skipped,
    refused: a.refused + b.refused,
    reasons: [...a.reasons, ...b.reasons].slice(0, MAX_SHARD_REASONS),
    values: b.values.size === 0 ? a.values : new Map([...a.values, ...b.values]),
  };
}

/** How a step whose members have ended ends itself, by its policy. */
export function settleMatrix(
  { policy, minimum = 1 }: ResolvedMatrix,
  tally: MatrixTally,
): { readonly settlement: StepSettlement; readonly reason: Reason | null } {
  const { succeeded, failed, denied, cancelled, skipped } = tally;
  const count = succeeded + failed + denied + cancelled + skipped;
  if (succeeded === count) return { settlement: { outcome: 'succeeded' }, reason: null };
  const reason = reasonOf(tally, count);
  if (cancelled > 0) return { settlement: { outcome: 'cancelled' }, reason };
  if (denied > 0) return { settlement: { outcome: 'failed', denies: true }, reason };
  const isEnough = policy === 'minimum' && succeeded >= minimum;
  if (succeeded === 0 || policy === 'all' || (policy === 'minimum' && !isEnough)) {
    return { settlement: { outcome: 'failed' }, reason };
  }
  return { settlement: { outcome: 'partial', isEnough }, reason };
}

/** The first reasons, and how many members there are of each kind. */
function reasonOf({ reasons, ...tally }: MatrixTally, count: number): Reason {
  const kinds = (['failed', 'denied', 'cancelled', 'skipped'] as const)
    .filter((kind) => tally[kind] > 0)
    .map((kind) => `${tally[kind]} ${kind}`);
  const shown = reasons.map(({ key, reason }) => `${key}: ${reason.message}`);
  return {
    code: reasons[0]?.reason.code ?? 'members-failed',
    message: [`Of ${count} members ${kinds.join(', ')}.`, ...shown].join(' '),
  };
}

/** Values of a matrix as conditions read them: of each output a list by member, null where one has none. */
export function valuesOfMembers(
  values: MatrixTally['values'],
  count: number,
): Readonly<Record<string, JsonValue>> {
  const names = new Set([...values.values()].flatMap((member) => Object.keys(member)));
  const list = (name: string): JsonValue =>
    Array.from({ length: count }, (_, index) => values.get(index)?.[name] ?? null);
  return Object.fromEntries([...names].sort().map((name) => [name, list(name)]));
}
