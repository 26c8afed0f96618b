import type { PromotionEndState } from './promotion-state.ts';

/** Media type of an archived history in the evidence store. */
export const HISTORY_MEDIA_TYPE = 'application/vnd.sluice.history.v1';

/** The schema tag of an archived history: encrypted, one workflow run a file. */
export const HISTORY_ARCHIVE_SCHEMA = 'sluice.history-archive/v1';

/** The schema tag of an exported history: redacted, readable JSON, one workflow run a file. */
export const HISTORY_EXPORT_SCHEMA = 'sluice.history-export/v1';

/** Seconds that a closed workflow waits for the packet of its promotion before it is archived without one. */
export const PACKET_WAIT_SECONDS = {
  /** From its close, or from the end of the promotion where that is later: what ends a promotion seals it soon after. */
  ended: 3600,
  /**
   * From its close on at most. While a promotion is open, a settlement is still to end and seal it; but an engine may forget
   * what closed a day ago, and a history without a packet is better than none. The rest of the day is for the archiver.
   */
  longest: 72_000,
} as const;

/**
 * Until when a closed workflow whose promotion has no packet waits for one.
 * @param closedAt of its last run; RFC 3339
 * @param promotionEndedAt RFC 3339; null while the promotion is open
 * @returns milliseconds since 1970
 */
export function packetAwaitedUntil(closedAt: string, promotionEndedAt: string | null): number {
  const closed = Date.parse(closedAt);
  const longest = closed + PACKET_WAIT_SECONDS.longest * 1000;
  if (promotionEndedAt === null) return longest;
  const from = Math.max(closed, Date.parse(promotionEndedAt));
  return Math.min(longest, from + PACKET_WAIT_SECONDS.ended * 1000);
}

/** How a workflow run closed. */
export const WORKFLOW_RUN_STATUSES = [
  'completed',
  'failed',
  'cancelled',
  'terminated',
  'timed-out',
  'continued-as-new',
] as const;

/** One of {@link WORKFLOW_RUN_STATUSES}. */
export type WorkflowRunStatus = (typeof WORKFLOW_RUN_STATUSES)[number];

/** What is said of a history beside its events; readable in an archived file, and authenticated with it. */
export interface HistoryHead {
  readonly tenantId: string;
  readonly workflowId: string;
  readonly runId: string;
  readonly workflowType: string;
  readonly status: WorkflowRunStatus;
  readonly eventCount: number;
  /** RFC 3339. */
  readonly startedAt: string;
  /** RFC 3339. */
  readonly closedAt: string;
  /** Builds whose workers carried its workflow tasks, in the order in which they did; without repetition. */
  readonly buildIds: readonly string[];
  /** Digests of those builds' bundles, as far as they are known; sorted. */
  readonly bundleDigests: readonly string[];
  /** SHA-256 of the history's bytes (the engine's own protobuf form). */
  readonly historyDigest: string;
}

/** How long histories are kept. The first rule of a tenant that fits counts; where none fits, for ever. */
export interface HistoryRule {
  /** Absent: of every environment, and of what belongs to none. */
  readonly environments?: readonly string[];
  /** Of promotions that ended so. Absent: of all, and of what is no promotion. */
  readonly states?: readonly PromotionEndState[];
  /** From the close on; whole days. */
  readonly days: number;
}

/** Days that a history is kept, or undefined for ever. */
export function daysToKeep(
  rules: readonly HistoryRule[],
  of: { readonly environment: string | null; readonly state: PromotionEndState | null },
): number | undefined {
  return rules.find(({ environments, states }) => {
    const isOfPlace =
      environments === undefined ||
      (of.environment !== null && environments.includes(of.environment));
    const isOfState = states === undefined || (of.state !== null && states.includes(of.state));
    return isOfPlace && isOfState;
  })?.days;
}
