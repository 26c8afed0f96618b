import {
  accepted,
  isDigest,
  type Outcome,
  PREDICATE_TYPES,
  type PredicateType,
  refused,
  STATEMENT_TYPE,
  type Statement,
} from '@sluice/domain';
import { readAnalysisPredicate } from './analysis-statement.ts';
import { readApprovalPredicate } from './approval-predicate.ts';
import {
  hasExactlyKeys,
  isJsonObject,
  parseStrictJson,
  type StrictJsonError,
} from './strict-json.ts';

const LIMITS = { maxBytes: 8 * 1024 * 1024, maxDepth: 32 };
const PROMOTION_ID = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\/[1-9][0-9]{0,9}$/;

/** What every statement of a promotion names. */
export interface StatementContext {
  /** `<environment>/<number>`. */
  readonly promotionId: string;
  /** The one subject: the release, by name, version and digest (`sha256:…`). */
  readonly release: { readonly name: string; readonly version: string; readonly digest: string };
}

/** A statement of ours that was read strictly. */
export interface ReadStatement {
  readonly statement: Statement;
  readonly predicateType: PredicateType;
  readonly promotionId: string;
  /** `<name>@<version>`. */
  readonly releaseName: string;
  /** `sha256:…`. */
  readonly releaseDigest: string;
}

/**
 * Puts a statement of ours together: the release as its one subject (`<name>@<version>`), and the
 * promotion's id as `promotionId` in the predicate.
 */
export function composeStatement(
  predicateType: PredicateType,
  context: StatementContext,
  predicate: Readonly<Record<string, unknown>>,
): Statement {
  const { name, version, digest } = context.release;
  return {
    _type: STATEMENT_TYPE,
    subject: [{ name: `${name}@${version}`, digest: { sha256: digest.slice('sha256:'.length) } }],
    predicateType,
    predicate: { ...predicate, promotionId: context.promotionId },
  };
}

/** Reads a statement from an envelope's payload bytes. Refusal: `statement-malformed`. */
export function readStatement(payload: Uint8Array): Outcome<ReadStatement> {
  let value: unknown;
  try {
    value = parseStrictJson(payload, LIMITS);
  } catch (error) {
    return malformed((error as StrictJsonError).message);
  }
  return checkStatement(value);
}

/** Checks a parsed value as {@link readStatement} does. Refusal: `statement-malformed`. */
export function checkStatement(value: unknown): Outcome<ReadStatement> {
  if (
    !isJsonObject(value) ||
    !hasExactlyKeys(value, ['_type', 'subject', 'predicateType', 'predicate'])
  ) {
    return malformed('it must have _type, subject, predicateType and predicate, and nothing else');
  }
  if (value['_type'] !== STATEMENT_TYPE) return malformed(`its _type must be ${STATEMENT_TYPE}`);
  const predicateType = Object.values(PREDICATE_TYPES).find((t) => t === value['predicateType']);
  if (predicateType === undefined) return malformed('its predicateType is none that Sluice writes');
  const subjects = value['subject'];
  const subject: unknown = Array.isArray(subjects) && subjects.length === 1 ? subjects[0] : null;
  if (!isJsonObject(subject) || !hasExactlyKeys(subject, ['name', 'digest'])) {
    return malformed('it must have exactly one subject with name and digest');
  }
  const { name, digest } = subject;
  const sha256 = isJsonObject(digest) && hasExactlyKeys(digest, ['sha256']) && digest['sha256'];
  if (typeof name !== 'string' || typeof sha256 !== 'string' || !isDigest(`sha256:${sha256}`)) {
    return malformed('its subject must have a name and one sha256 digest');
  }
  const predicate = value['predicate'];
  const promotionId = isJsonObject(predicate) ? predicate['promotionId'] : undefined;
  if (typeof promotionId !== 'string' || !PROMOTION_ID.test(promotionId)) {
    return malformed('its predicate must name the promotion as promotionId');
  }
  const statement = value as unknown as Statement;
  if (
    predicateType === PREDICATE_TYPES.approval &&
    readApprovalPredicate(statement) === undefined
  ) {
    return malformed('its predicate is no approval');
  }
  if (
    predicateType === PREDICATE_TYPES.analysis &&
    readAnalysisPredicate(statement) === undefined
  ) {
    return malformed('its predicate is no analysis');
  }
  return accepted({
    statement,
    predicateType,
    promotionId,
    releaseName: name,
    releaseDigest: `sha256:${sha256}`,
  });
}

function malformed(what: string): Outcome<ReadStatement> {
  return refused('statement-malformed', `This is no statement of ours: ${what}.`);
}
