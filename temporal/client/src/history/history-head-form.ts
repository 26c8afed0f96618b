import { isDigest, WORKFLOW_RUN_STATUSES } from '@sluice/domain';
import type { HistoryFileHead } from './history-head.ts';

/** Ids, names of types and of builds: no blank, nothing that moves a terminal's cursor. */
const ID = /^[!-~]{1,1000}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/;
/** More than any run has; a list that is longer is no list of builds. */
const MAX_LISTED = 1000;

const isId = (value: unknown): boolean => typeof value === 'string' && ID.test(value);
/** A run without a start that tells it has no run id and no type. */
const isIdOrEmpty = (value: unknown): boolean => value === '' || isId(value);
const isTime = (value: unknown): boolean =>
  typeof value === 'string' && TIME.test(value) && !Number.isNaN(Date.parse(value));
const isListOf = (value: unknown, is: (member: unknown) => boolean): boolean =>
  Array.isArray(value) && value.length <= MAX_LISTED && value.every(is);
const isDigestText = (value: unknown): boolean => typeof value === 'string' && isDigest(value);

const FORMS: Readonly<Record<keyof HistoryFileHead, (value: unknown) => boolean>> = {
  tenantId: (value) => value === null || isId(value),
  workflowId: isId,
  runId: isIdOrEmpty,
  workflowType: isIdOrEmpty,
  status: (value) =>
    value === 'running' || WORKFLOW_RUN_STATUSES.some((status) => status === value),
  eventCount: (value) => Number.isSafeInteger(value) && Number(value) > 0,
  startedAt: isTime,
  closedAt: (value) => value === null || isTime(value),
  buildIds: (value) => isListOf(value, isId),
  bundleDigests: (value) => isListOf(value, isDigestText),
  historyDigest: isDigestText,
};

/**
 * The first field of a head that is missing or is not what it should be; undefined for a whole head. A head comes from a file
 * that anybody can have written, and everything that speaks of the history relies on it.
 */
export function findHeadFault(head: unknown): string | undefined {
  if (typeof head !== 'object' || head === null) return 'head';
  const fields = head as Record<string, unknown>;
  const fault = Object.entries(FORMS).find(([name, isFit]) => {
    return !Object.hasOwn(fields, name) || !isFit(fields[name]);
  });
  return fault?.[0];
}
