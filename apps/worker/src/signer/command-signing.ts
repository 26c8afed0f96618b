import {
  composePlanPayload,
  type FrozenCourses,
  findDesiredSide,
  frozenCoursesOf,
  sideOf,
} from '@sluice/activities';
import { createCommandEnvelope } from '@sluice/agent-protocol';
import {
  type AgentCommand,
  COMMAND_SCHEMA,
  isPromotionEnd,
  type Plan,
  type TrustRoot,
} from '@sluice/domain';
import {
  type AgentRecord,
  findAgent,
  findDeployment,
  findEnvironment,
  findLease,
  findPlan,
  findRelease,
  findTarget,
  listCommandsAfter,
  type Pool,
  type PromotionRecord,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import { canonicalJson, digestOfBytes, planDigest } from '@sluice/pure';
import {
  createTrustRoot,
  type KeyPair,
  type SignCommandRequest,
  statementDigest,
} from '@sluice/signing';
import { environmentLease, type FrozenRules, leaseHolder } from '@sluice/temporal-contract';
import { findRequestProblem } from './command-request.ts';
import { findPromoteProblem } from './promote-rules.ts';
import { isRefusal, type Refused, refusal } from './refusal.ts';
import { findRevertProblem } from './revert-rules.ts';
import { findRollbackProblem } from './rollback-rules.ts';
import { findRouteProblem } from './route-rules.ts';
import type { SigningAnswer } from './signer-server.ts';

/**
 * Signs a command only when the signer's own look into the records allows it: the promotion runs, nobody
 * cancelled it, it holds its environment's lease (whose token goes into the command), the plan is the stored
 * one of this target and puts there what the release and the target's settings make, the payload is what that
 * plan and the records make, the agent's key is good, and the promotion may go there: by gates, predecessors
 * and people, or as a rollback. Refusals: `request-invalid`, `promotion-unknown`, `promotion-ended`,
 * `promotion-cancelled`, `target-not-in-promotion`, `lease-not-held`, `plan-unknown`, `plan-differs`,
 * `environment-unknown`, `payload-differs`, `nothing-to-revert`, `rollback-not-reverted`, `agent-unknown`,
 * `agent-revoked`, `sequence-used`, and those of {@link findPromoteProblem} and {@link findRollbackProblem}. Of a change of a router's table the
 * look is {@link findRouteProblem}'s.
 */
export async function signCommand(
  pool: Pool,
  keyPair: KeyPair,
  request: SignCommandRequest,
  trustRoot: TrustRoot = rootOf(keyPair),
  now: number = Date.now(),
): Promise<SigningAnswer> {
  const problem = findRequestProblem(request, now);
  if (problem !== undefined) return refusal('request-invalid', problem);
  const command = await withTenant(
    pool,
    request.tenantId,
    (tx) => composeCommand(tx, frozenCoursesOf(pool), request, trustRoot),
    {
      isolation: 'repeatable read',
      readOnly: true,
    },
  );
  if (isRefusal(command)) return command;
  const envelope = createCommandEnvelope(command, keyPair);
  return { ok: true, value: { envelope, commandDigest: statementDigest(envelope) } };
}

/** The signer's present key alone; with keys of earlier days, what they signed can be put back too. */
function rootOf({ publicKey }: KeyPair): TrustRoot {
  return createTrustRoot([{ publicKey, use: 'command', notBefore: new Date(0).toISOString() }]);
}

async function composeCommand(
  tx: Tx,
  courses: Pick<FrozenCourses, 'find'>,
  request: SignCommandRequest,
  trustRoot: TrustRoot,
): Promise<AgentCommand | Refused> {
  const { promotionId, target, kind } = request;
  const promotion = await courses.find(tx, promotionId);
  if (promotion === undefined) {
    return refusal('promotion-unknown', `There is no promotion ${promotionId}.`);
  }
  if (isPromotionEnd(promotion.state)) {
    return refusal('promotion-ended', `Promotion ${promotionId} is ${promotion.state} already.`);
  }
  const rules = promotion.rules as unknown as FrozenRules | null;
  if (rules === null || (kind !== 'route' && !rules.targets.includes(target))) {
    const what = `Target ${target} is none of promotion ${promotionId}.`;
    return refusal('target-not-in-promotion', what);
  }
  const lease = await findLease(tx, environmentLease(promotion.environment));
  if (lease === undefined || lease.holder !== leaseHolder(promotionId)) {
    return refusal(
      'lease-not-held',
      `Promotion ${promotionId} does not hold the lease of ${promotion.environment}; ` +
        `${lease?.holder ?? 'nobody'} does.`,
    );
  }
  const releaseDigest =
    kind === 'route'
      ? await readRouteRelease(tx, courses, promotion, rules, request, trustRoot)
      : await readPlannedRelease(tx, promotion, rules, request, trustRoot);
  if (typeof releaseDigest !== 'string') return releaseDigest;
  const agent = await readAgent(tx, target);
  if (isRefusal(agent)) return agent;
  const used = await findSequenceProblem(tx, request);
  if (used !== undefined) return used;
  const { tenantId, payloadDigest, idempotencyKey, sequence, notBefore, expiresAt } = request;
  return {
    schema: COMMAND_SCHEMA,
    tenantId,
    target,
    agentKeyId: agent.keyId,
    sequence,
    fencingToken: lease.fencingToken,
    kind,
    promotionId,
    releaseDigest,
    planDigest: request.planDigest,
    payloadDigest,
    notBefore,
    expiresAt,
    idempotencyKey,
  };
}

/** Of a command that puts something on a target: the release, where nothing forbids it. */
async function readPlannedRelease(
  tx: Tx,
  promotion: PromotionRecord,
  rules: FrozenRules,
  request: SignCommandRequest,
  trustRoot: TrustRoot,
): Promise<string | Refused> {
  const { kind } = request;
  const plan = await readPlan(tx, request);
  if (isRefusal(plan)) return plan;
  const barred =
    kind === 'deploy'
      ? await findDeployProblem(tx, promotion, rules, plan, request)
      : await findRevertProblem(tx, promotion, plan, request, trustRoot);
  const differs = barred ?? (await findPayloadProblem(tx, promotion, request, plan));
  return differs ?? sideOf(kind, plan)?.release ?? promotion.releaseDigest;
}

/** Of a command that moves requests: the release of the promotion, where nothing forbids it. */
async function readRouteRelease(
  tx: Tx,
  courses: Pick<FrozenCourses, 'find'>,
  promotion: PromotionRecord,
  rules: FrozenRules,
  request: SignCommandRequest,
  trustRoot: TrustRoot,
): Promise<string | Refused> {
  const environment = await findEnvironment(tx, promotion.environment);
  if (environment === undefined) {
    return refusal('environment-unknown', `${promotion.environment} is no longer configured.`);
  }
  const place = { courses, promotion, rules, environment, trustRoot };
  return (await findRouteProblem(tx, place, request)) ?? promotion.releaseDigest;
}

async function readPlan(tx: Tx, request: SignCommandRequest): Promise<Plan | Refused> {
  const { promotionId, target } = request;
  const plan = await findPlan(tx, request.planDigest);
  if (plan === undefined) {
    return refusal('plan-unknown', `Plan ${request.planDigest} is not stored.`);
  }
  const deployment = await findDeployment(tx, promotionId, target);
  if (
    plan.target !== target ||
    planDigest(plan) !== request.planDigest ||
    deployment?.planDigest !== request.planDigest
  ) {
    return refusal(
      'plan-differs',
      `Plan ${request.planDigest} is not the one that ${promotionId} stored for ${target}.`,
    );
  }
  return plan;
}

/** The payload is what the agent executes: its digest is signed only when the plan and the records make the same one. */
async function findPayloadProblem(
  tx: Tx,
  promotion: PromotionRecord,
  { target, kind, payloadDigest }: SignCommandRequest,
  plan: Plan,
): Promise<Refused | undefined> {
  const payload = await composePlanPayload(tx, promotion, kind, plan);
  return digestOfBytes(canonicalJson(payload)) === payloadDigest
    ? undefined
    : refusal(
        'payload-differs',
        `The payload for ${target} is not what the plan of ${promotion.promotionId} and the records make.`,
      );
}

async function findDeployProblem(
  tx: Tx,
  promotion: PromotionRecord,
  rules: FrozenRules,
  plan: Plan,
  request: SignCommandRequest,
): Promise<Refused | undefined> {
  const { promotionId } = promotion;
  if (promotion.cancelRequestedAt !== null) {
    return refusal(
      'promotion-cancelled',
      `Somebody cancelled ${promotionId}: nothing is deployed.`,
    );
  }
  const environment = await findEnvironment(tx, promotion.environment);
  const release = await findRelease(tx, promotion.releaseDigest);
  const target = await findTarget(tx, request.target);
  if (environment === undefined || release === undefined || target === undefined) {
    return refusal(
      'environment-unknown',
      `${promotion.environment} or ${request.target} is no longer configured.`,
    );
  }
  if (target.environment !== promotion.environment) {
    // That one's rules are other rules: its gates, its predecessors and its people were not asked.
    const what = `Target ${request.target} belongs to ${target.environment} now, and ${promotionId} goes to ${promotion.environment}: promote again.`;
    return refusal('target-not-in-promotion', what);
  }
  const desired = await findDesiredSide(tx, promotion, release, target);
  if (canonicalJson(plan.desired) !== canonicalJson(desired)) {
    return refusal(
      'plan-differs',
      `The plan puts something else on ${request.target} than the release of ${promotionId} with the target's settings.`,
    );
  }
  return promotion.kind === 'rollback'
    ? findRollbackProblem(tx, promotion, release, environment, request)
    : findPromoteProblem(tx, promotion, rules, environment, { ...request, target });
}

async function readAgent(tx: Tx, target: string): Promise<AgentRecord | Refused> {
  const agent = await findAgent(tx, target);
  if (agent === undefined) {
    return refusal(
      'agent-unknown',
      `No agent is enrolled for ${target}: make a token with "sluice agent enroll-token" and start it.`,
    );
  }
  return agent.revokedAt === null
    ? agent
    : refusal('agent-revoked', `The key of the agent of ${target} was revoked: enrol it again.`);
}

/** A sequence that another command has, or that is below one, would let an old intent pass for a new one. */
async function findSequenceProblem(
  tx: Tx,
  { target, sequence, idempotencyKey }: SignCommandRequest,
): Promise<Refused | undefined> {
  const [later] = await listCommandsAfter(tx, { target, after: sequence - 1, limit: 1 });
  if (later === undefined) return undefined;
  if (later.sequence === sequence && later.idempotencyKey === idempotencyKey) return undefined;
  return refusal('sequence-used', `Sequence ${sequence} of ${target} is used or passed already.`);
}
