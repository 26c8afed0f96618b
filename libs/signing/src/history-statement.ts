import {
  accepted,
  type HistoryHead,
  isDigest,
  type Outcome,
  PREDICATE_TYPES,
  refused,
  STATEMENT_TYPE,
  type Statement,
  type StatementSubject,
  WORKFLOW_RUN_STATUSES,
} from '@sluice/domain';
import { canonicalJson } from '@sluice/pure';
import { hasExactlyKeys, isJsonObject } from './strict-json.ts';

/** What a history's statement says beside its subjects. */
export interface HistoryPredicate extends Omit<HistoryHead, 'tenantId' | 'historyDigest'> {
  /** Of the encrypted file. */
  readonly archiveDigest: string;
  /** Of what was sealed with it; null where there is no packet. */
  readonly packetDigest: string | null;
  /** Null for what is no promotion's. */
  readonly promotionId: string | null;
}

/** A history's statement that was read strictly. */
export interface ReadHistoryStatement {
  readonly statement: Statement;
  /** `sha256:…` of the engine's own form of the history. */
  readonly historyDigest: string;
  readonly predicate: HistoryPredicate;
}

const PREDICATE_KEYS = [
  'archiveDigest',
  'buildIds',
  'bundleDigests',
  'closedAt',
  'eventCount',
  'packetDigest',
  'promotionId',
  'runId',
  'startedAt',
  'status',
  'workflowId',
  'workflowType',
] as const satisfies readonly (keyof HistoryPredicate)[];

/** Name of the subject that is the packet. */
const PACKET = 'packet';

/** Longest text and list in a predicate. */
const MOST = 1000;

/**
 * The statement of one archived run: the history as first subject (`<workflow id>/<run id>`), the packet that was sealed
 * with it as second, where there is one.
 */
export function composeHistoryStatement(
  head: Omit<HistoryHead, 'tenantId'>,
  archived: Pick<HistoryPredicate, 'archiveDigest' | 'packetDigest' | 'promotionId'>,
): Statement {
  const { archiveDigest, packetDigest, promotionId } = archived;
  const subject = [subjectOf(`${head.workflowId}/${head.runId}`, head.historyDigest)];
  if (packetDigest !== null) subject.push(subjectOf(PACKET, packetDigest));
  const { workflowId, runId, workflowType, status, eventCount, startedAt, closedAt } = head;
  const predicate: HistoryPredicate = {
    workflowId,
    runId,
    workflowType,
    status,
    eventCount,
    startedAt,
    closedAt,
    buildIds: head.buildIds,
    bundleDigests: head.bundleDigests,
    archiveDigest,
    packetDigest,
    promotionId,
  };
  return {
    _type: STATEMENT_TYPE,
    subject,
    predicateType: PREDICATE_TYPES.history,
    predicate: { ...predicate },
  };
}

/** Checks a parsed value: exactly what {@link composeHistoryStatement} makes. Refusal: `statement-malformed`. */
export function checkHistoryStatement(value: unknown): Outcome<ReadHistoryStatement> {
  if (!isJsonObject(value) || !isJsonObject(value['predicate'])) {
    return malformed('it is no object with a predicate');
  }
  const { subject, predicate } = value;
  const problem = findPredicateProblem(predicate);
  if (problem !== undefined) return malformed(problem);
  const read = predicate as unknown as HistoryPredicate;
  const first: unknown = Array.isArray(subject) ? subject[0] : undefined;
  const digest = isJsonObject(first) && isJsonObject(first['digest']) && first['digest']['sha256'];
  const historyDigest = `sha256:${String(digest)}`;
  if (!isDigest(historyDigest)) return malformed('its first subject has no sha256 digest');
  // Whatever else it could say would stand in what composes it.
  const same = composeHistoryStatement({ ...read, historyDigest }, read);
  if (canonicalJson(value) !== canonicalJson(same)) {
    return malformed('it says something else than its predicate, or more');
  }
  return accepted({ statement: same, historyDigest, predicate: read });
}

function findPredicateProblem(value: unknown): string | undefined {
  if (!isJsonObject(value) || !hasExactlyKeys(value, PREDICATE_KEYS)) {
    return `its predicate must have ${PREDICATE_KEYS.join(', ')}, and nothing else`;
  }
  const texts = ['workflowId', 'runId', 'workflowType'] as const;
  const bad =
    texts.find((name) => !isText(value[name]) || value[name] === '') ??
    (['buildIds', 'bundleDigests'] as const).find((name) => !isTexts(value[name])) ??
    (['startedAt', 'closedAt'] as const).find((name) => !isTime(value[name])) ??
    (isDigestText(value['archiveDigest']) ? undefined : 'archiveDigest');
  if (bad !== undefined) return `the ${bad} of its predicate has no valid form`;
  const { packetDigest, promotionId, eventCount, status, bundleDigests } = value;
  if (packetDigest !== null && !isDigestText(packetDigest)) return 'its packetDigest is no digest';
  if (!(bundleDigests as string[]).every(isDigest)) return 'one of its bundleDigests is none';
  if (promotionId !== null && !isText(promotionId)) return 'its promotionId is no text';
  if (!Number.isSafeInteger(eventCount) || (eventCount as number) < 1) return 'it has no events';
  if (!WORKFLOW_RUN_STATUSES.some((known) => known === status)) return 'its status is unknown';
  return undefined;
}

function subjectOf(name: string, digest: string): StatementSubject {
  return { name, digest: { sha256: digest.slice('sha256:'.length) } };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MOST;
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.length <= MOST && value.every(isText);
}

function isDigestText(value: unknown): boolean {
  return typeof value === 'string' && isDigest(value);
}

function isTime(value: unknown): boolean {
  return isText(value) && !Number.isNaN(Date.parse(value));
}

function malformed(what: string): Outcome<ReadHistoryStatement> {
  return refused('statement-malformed', `This is no statement of a history: ${what}.`);
}
