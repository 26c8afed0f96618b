import {
  APPROVAL_DECISIONS,
  type ApprovalDecision,
  isDigest,
  PREDICATE_TYPES,
  ROLES,
  type Role,
  type Statement,
} from '@sluice/domain';
import { hasExactlyKeys, isJsonObject } from './strict-json.ts';
import { parseInstant } from './trust-root.ts';

/** Predicate of an approval statement, `urn:sluice:approval:v1`: what one person said of one plan. */
export interface ApprovalPredicate {
  /** `<environment>/<number>`. */
  readonly promotionId: string;
  /** `<principal>/<idempotency key>`. */
  readonly approvalId: string;
  /** The principal that the API authenticated. */
  readonly principal: string;
  /** The person behind the principal. */
  readonly person: string;
  /** The principal's role when it decided. */
  readonly role: Role;
  readonly decision: ApprovalDecision;
  /** At most 2,000 characters; may be empty. */
  readonly comment: string;
  /** Digest of the plan set that the person saw. */
  readonly planDigest: string;
  /** Round of planning, from 1. */
  readonly round: number;
  /** RFC 3339. */
  readonly decidedAt: string;
}

const FIELDS = [
  'promotionId',
  'approvalId',
  'principal',
  'person',
  'role',
  'decision',
  'comment',
  'planDigest',
  'round',
  'decidedAt',
] as const;

/** Longest comment. Code points, as Postgres counts. */
const MAX_COMMENT = 2000;

/** The approval predicate of a statement, or undefined when it is of another type or malformed. */
export function readApprovalPredicate(statement: Statement): ApprovalPredicate | undefined {
  if (statement.predicateType !== PREDICATE_TYPES.approval) return undefined;
  const predicate: unknown = statement.predicate;
  if (!isJsonObject(predicate) || !hasExactlyKeys(predicate, [...FIELDS])) return undefined;
  const { promotionId, approvalId, principal, person, planDigest, comment, round } = predicate;
  const isWhole =
    typeof promotionId === 'string' &&
    isPrincipal(principal) &&
    isPrincipal(person) &&
    typeof approvalId === 'string' &&
    approvalId.startsWith(`${principal}/`) &&
    ROLES.some((role) => role === predicate['role']) &&
    APPROVAL_DECISIONS.some((decision) => decision === predicate['decision']) &&
    typeof comment === 'string' &&
    [...comment].length <= MAX_COMMENT &&
    typeof planDigest === 'string' &&
    isDigest(planDigest) &&
    Number.isSafeInteger(round) &&
    (round as number) >= 1 &&
    parseInstant(predicate['decidedAt']) !== undefined;
  return isWhole ? (predicate as unknown as ApprovalPredicate) : undefined;
}

/** A principal's name as the configuration has it: without a slash, so that an approval's id names one. */
function isPrincipal(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9@._-]{0,127}$/.test(value);
}
