import { isCourse, isName, PREDICATE_TYPES, parseStepType } from '@sluice/domain';
import {
  askedRollbackOf,
  type DeploymentRecord,
  findDecision,
  findDeployment,
  findPromotion,
  findRelease,
  listDeployments,
  listStatements,
  type Pool,
  type PromotionRecord,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import { canonicalJson } from '@sluice/pure';
import {
  checkStatement,
  createStatementEnvelope,
  hasExactlyKeys,
  isJsonObject,
  type KeyPair,
  type ReadStatement,
  readPromotionPredicate,
  type SignStatementRequest,
} from '@sluice/signing';
import type { FrozenRules } from '@sluice/temporal-contract';
import { findAnalysisStatementProblem } from './analysis-statement.ts';
import { findPastQuorumProblem } from './approval-quorum.ts';
import { findApprovalProblem } from './approval-statement.ts';
import { findCourseSuccessProblem } from './course-success.ts';
import { type Refused, refusal } from './refusal.ts';
import type { SigningAnswer } from './signer-server.ts';

/**
 * Signs a statement only when it agrees with the records: of a promotion that is not sealed, about that
 * promotion's release, a decision equal to the stored one, an approval as the API stored it, a deployment of the
 * stored plan, a promotion statement that hides no stored statement and calls nothing a success that no gate
 * allowed or that a rollback superseded. Refusals: `request-invalid`, `statement-malformed`, `promotion-unknown`,
 * `promotion-sealed`, `promotion-differs`, `subject-differs`, `predicate-not-signed`, `decision-differs`,
 * `deployment-differs`, `statement-hidden`, `decision-not-allow`, `promotion-superseded`, `approval-missing`,
 * `approval-wrong-plan`, `approval-rejected`, `facts-differ`, `analysis-differs`, and
 * those of {@link findApprovalProblem}.
 */
export async function signStatement(
  pool: Pool,
  keyPair: KeyPair,
  request: SignStatementRequest,
): Promise<SigningAnswer> {
  if (
    !isJsonObject(request) ||
    !hasExactlyKeys(request, ['tenantId', 'promotionId', 'statement'])
  ) {
    return refusal('request-invalid', 'It takes tenantId, promotionId and statement only.');
  }
  const { tenantId, promotionId } = request as { tenantId: unknown; promotionId: unknown };
  if (typeof tenantId !== 'string' || !isName(tenantId) || typeof promotionId !== 'string') {
    return refusal('request-invalid', 'tenantId or promotionId has no valid form.');
  }
  const read = checkStatement(request.statement);
  if (!read.ok) return refusal(read.refusal.code, read.refusal.message);
  const problem = await withTenant(
    pool,
    tenantId,
    (tx) => findProblem(tx, promotionId, read.value),
    {
      isolation: 'repeatable read',
      readOnly: true,
    },
  );
  if (problem !== undefined) return problem;
  return { ok: true, value: { envelope: createStatementEnvelope(read.value.statement, keyPair) } };
}

async function findProblem(
  tx: Tx,
  promotionId: string,
  read: ReadStatement,
): Promise<Refused | undefined> {
  const promotion = await findPromotion(tx, promotionId);
  if (promotion === undefined) {
    return refusal('promotion-unknown', `There is no promotion ${promotionId}.`);
  }
  if (promotion.packetDigest !== null) {
    return refusal('promotion-sealed', `${promotionId} is sealed: nothing is added to it.`);
  }
  if (read.promotionId !== promotionId) {
    return refusal('promotion-differs', `The statement is of ${read.promotionId}.`);
  }
  const release = await findRelease(tx, promotion.releaseDigest);
  const isAboutRelease =
    release !== undefined &&
    read.releaseDigest === release.releaseDigest &&
    read.releaseName === `${release.name}@${release.version}`;
  if (!isAboutRelease) {
    return refusal('subject-differs', `The statement is not about the release of ${promotionId}.`);
  }
  switch (read.predicateType) {
    case PREDICATE_TYPES.scan:
      return undefined;
    case PREDICATE_TYPES.decision:
      return findDecisionProblem(tx, promotionId, read);
    case PREDICATE_TYPES.deployment:
      return findDeploymentProblem(tx, promotionId, read);
    case PREDICATE_TYPES.analysis:
      return findAnalysisStatementProblem(tx, promotionId, read);
    case PREDICATE_TYPES.approval:
      return findApprovalProblem(tx, promotion, read);
    case PREDICATE_TYPES.promotion:
      return findPromotionProblem(tx, promotion, read);
    default:
      return refusal('predicate-not-signed', `${read.predicateType} is not signed here.`);
  }
}

async function findDecisionProblem(
  tx: Tx,
  promotionId: string,
  { statement }: ReadStatement,
): Promise<Refused | undefined> {
  const { stepId, decision } = statement.predicate;
  const stored =
    typeof stepId === 'string' ? await findDecision(tx, promotionId, stepId) : undefined;
  if (stored !== undefined && canonicalJson(stored.body) === canonicalJson(decision ?? null)) {
    return undefined;
  }
  return refusal('decision-differs', `It is not the decision that is stored for ${promotionId}.`);
}

async function findDeploymentProblem(
  tx: Tx,
  promotionId: string,
  { statement }: ReadStatement,
): Promise<Refused | undefined> {
  const { target, targets } = statement.predicate;
  // Of many targets, some hundred share a statement.
  const shared = Array.isArray(targets) ? (targets as readonly unknown[]) : undefined;
  const records =
    shared === undefined
      ? [await findDeployment(tx, promotionId, String(target))]
      : await listDeployments(tx, promotionId);
  const stored = new Map(records.map((one) => [one?.target, one]));
  const different = (shared ?? [statement.predicate]).find((said) => !isStored(stored, said));
  if (different === undefined && shared?.length !== 0) return undefined;
  const named = isJsonObject(different) ? different['target'] : undefined;
  return refusal(
    'deployment-differs',
    `It is not what is stored of the deployment to ${String(named)}.`,
  );
}

function isStored(
  stored: ReadonlyMap<string | undefined, DeploymentRecord | undefined>,
  said: unknown,
): boolean {
  if (!isJsonObject(said)) return false;
  const { target, planDigest, state } = said;
  const known = typeof target === 'string' ? stored.get(target) : undefined;
  const knownState = known?.state === 'dispatched' ? 'lost' : known?.state;
  return known !== undefined && known.planDigest === planDigest && knownState === state;
}

async function findPromotionProblem(
  tx: Tx,
  promotion: PromotionRecord,
  { statement }: ReadStatement,
): Promise<Refused | undefined> {
  const { promotionId } = promotion;
  const predicate = readPromotionPredicate(statement);
  if (predicate === undefined) {
    return refusal('statement-malformed', 'The predicate is no promotion that ended.');
  }
  const listed = new Set(predicate.statements.map(({ digest }) => digest));
  const hidden = (await listStatements(tx, promotionId)).find(
    ({ statementDigest }) => !listed.has(statementDigest),
  );
  if (hidden !== undefined) {
    return refusal(
      'statement-hidden',
      `The list leaves out ${hidden.statementDigest} (${hidden.predicateType}).`,
    );
  }
  const unearned =
    predicate.state === 'succeeded' ? await findSuccessProblem(tx, promotion) : undefined;
  return unearned ?? findFactsProblem(promotion, statement.predicate);
}

/** What a reader judges a promotion by must be what is stored; a success must say all of it. */
function findFactsProblem(
  promotion: PromotionRecord,
  predicate: Readonly<Record<string, unknown>>,
): Refused | undefined {
  const { promotionId, environment, kind, requestedBy, rules, supersededBy } = promotion;
  const stored = { environment, kind, requestedBy, rules, supersededBy };
  const different = Object.entries(stored).find(([name, value]) => {
    const said = predicate[name];
    if (said === undefined) return predicate['state'] === 'succeeded';
    return canonicalJson(said) !== canonicalJson(value);
  });
  // Whatever it came to, a rollback says what was asked, and nothing else pretends to have been asked so.
  const asked = askedRollbackOf(promotion);
  const said = predicate['rollback'];
  const isAsAsked =
    said === undefined || asked === undefined
      ? said === asked
      : canonicalJson(said) === canonicalJson(asked);
  const name = different?.[0] ?? (isAsAsked ? undefined : 'rollback');
  if (name === undefined) return undefined;
  return refusal('facts-differ', `The ${name} of ${promotionId} is stored otherwise.`);
}

/**
 * Every gate of the frozen pipeline has allowed, and whoever the frozen rules ask has approved; where there is no gate,
 * nothing may have gone to a target. A rollback needs neither: what it may deploy was checked with its commands.
 */
async function findSuccessProblem(
  tx: Tx,
  promotion: PromotionRecord,
): Promise<Refused | undefined> {
  const { promotionId, kind, rules, supersededBy } = promotion;
  if (rules === null) {
    return refusal('decision-not-allow', `${promotionId} never began: it can't have succeeded.`);
  }
  if (supersededBy !== null) {
    const what = `${supersededBy} superseded ${promotionId}: it can't have succeeded.`;
    return refusal('promotion-superseded', what);
  }
  if (kind === 'rollback') return undefined;
  const frozen = rules as unknown as FrozenRules;
  return isCourse(frozen.pipeline)
    ? findCourseSuccessProblem(tx, promotion, frozen, frozen.pipeline)
    : findPipelineSuccessProblem(tx, promotion, frozen);
}

async function findPipelineSuccessProblem(
  tx: Tx,
  promotion: PromotionRecord,
  { pipeline, approval }: FrozenRules,
): Promise<Refused | undefined> {
  const { promotionId } = promotion;
  if (approval != null) {
    const unapproved = await findPastQuorumProblem(tx, promotion, approval);
    if (unapproved !== undefined) return unapproved;
  }
  const gates = pipeline.steps.filter(({ type }) => parseStepType(type).type === 'gate');
  for (const gate of gates) {
    if ((await findDecision(tx, promotionId, gate.id))?.body.decision !== 'allow') {
      const what = `Gate ${gate.id} did not allow ${promotionId}: it can't have succeeded.`;
      return refusal('decision-not-allow', what);
    }
  }
  if (gates.length > 0 || (await listDeployments(tx, promotionId)).length === 0) return undefined;
  const what = `No gate allowed ${promotionId}, which deployed: it can't have succeeded.`;
  return refusal('decision-not-allow', what);
}
