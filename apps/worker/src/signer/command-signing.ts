import { composeCommandPayload } from '@sluice/activities';
import { createCommandEnvelope } from '@sluice/agent-protocol';
import {
  type AgentCommand,
  COMMAND_SCHEMA,
  isPromotionEnd,
  type Plan,
  type PlanSide,
  parseStepType,
} from '@sluice/domain';
import {
  type AgentRecord,
  findAgent,
  findDecision,
  findDeployment,
  findLease,
  findPlan,
  findPromotion,
  listCommands,
  listCommandsAfter,
  type Pool,
  type PromotionRecord,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import { canonicalJson, digestOfBytes, planDigest } from '@sluice/pure';
import { type KeyPair, type SignCommandRequest, statementDigest } from '@sluice/signing';
import { environmentLease, type FrozenRules } from '@sluice/temporal-contract';
import { findRequestProblem } from './command-request.ts';
import { isRefusal, type Refused, refusal } from './refusal.ts';
import type { SigningAnswer } from './signer-server.ts';

/**
 * Signs a command only when the signer's own look into the records allows it: the promotion runs, nobody
 * cancelled it, it holds its environment's lease (whose token goes into the command), the plan is the stored
 * one of this target and the payload is what that plan and the records make, every gate said allow under the frozen policy, and the agent's key is good. Refusals:
 * `request-invalid`, `promotion-unknown`, `promotion-ended`, `promotion-cancelled`, `target-not-in-promotion`,
 * `lease-not-held`, `plan-unknown`, `plan-differs`, `decision-missing`, `decision-not-allow`,
 * `payload-differs`, `nothing-to-revert`, `agent-unknown`, `agent-revoked`, `sequence-used`.
 */
export async function signCommand(
  pool: Pool,
  keyPair: KeyPair,
  request: SignCommandRequest,
  now: number = Date.now(),
): Promise<SigningAnswer> {
  const problem = findRequestProblem(request, now);
  if (problem !== undefined) return refusal('request-invalid', problem);
  const command = await withTenant(pool, request.tenantId, (tx) => composeCommand(tx, request), {
    isolation: 'repeatable read',
    readOnly: true,
  });
  if (isRefusal(command)) return command;
  const envelope = createCommandEnvelope(command, keyPair);
  return { ok: true, value: { envelope, commandDigest: statementDigest(envelope) } };
}

async function composeCommand(
  tx: Tx,
  request: SignCommandRequest,
): Promise<AgentCommand | Refused> {
  const { promotionId, target, kind } = request;
  const promotion = await findPromotion(tx, promotionId);
  if (promotion === undefined) {
    return refusal('promotion-unknown', `There is no promotion ${promotionId}.`);
  }
  if (isPromotionEnd(promotion.state)) {
    return refusal('promotion-ended', `Promotion ${promotionId} is ${promotion.state} already.`);
  }
  const rules = promotion.rules as unknown as FrozenRules | null;
  if (rules === null || !rules.targets.includes(target)) {
    const what = `Target ${target} is none of promotion ${promotionId}.`;
    return refusal('target-not-in-promotion', what);
  }
  const lease = await findLease(tx, environmentLease(promotion.environment));
  if (lease === undefined || lease.holder !== `promotion:${promotionId}`) {
    return refusal(
      'lease-not-held',
      `Promotion ${promotionId} does not hold the lease of ${promotion.environment}; ` +
        `${lease?.holder ?? 'nobody'} does.`,
    );
  }
  const plan = await readPlan(tx, request);
  if (isRefusal(plan)) return plan;
  const barred =
    kind === 'deploy'
      ? await findDeployProblem(tx, promotion, rules, plan)
      : await findRevertProblem(tx, request);
  if (barred !== undefined) return barred;
  const agent = await readAgent(tx, target);
  if (isRefusal(agent)) return agent;
  const used = await findSequenceProblem(tx, request);
  if (used !== undefined) return used;
  const side = kind === 'deploy' ? plan.desired : plan.current;
  const differs = await findPayloadProblem(tx, promotion, request, side);
  if (differs !== undefined) return differs;
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
    releaseDigest: side?.release ?? promotion.releaseDigest,
    planDigest: request.planDigest,
    payloadDigest,
    notBefore,
    expiresAt,
    idempotencyKey,
  };
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
  { target, payloadDigest }: SignCommandRequest,
  side: PlanSide | null,
): Promise<Refused | undefined> {
  const payload = await composeCommandPayload(tx, target, side, promotion.traceparent);
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
): Promise<Refused | undefined> {
  const { promotionId } = promotion;
  if (promotion.cancelRequestedAt !== null) {
    return refusal(
      'promotion-cancelled',
      `Somebody cancelled ${promotionId}: nothing is deployed.`,
    );
  }
  if (plan.desired === null || plan.desired.release !== promotion.releaseDigest) {
    return refusal('plan-differs', `The plan puts another release there than ${promotionId}'s.`);
  }
  const gates = rules.pipeline.steps.filter(({ type }) => parseStepType(type).type === 'gate');
  if (gates.length === 0) {
    return refusal('decision-missing', `The pipeline of ${promotionId} has no gate.`);
  }
  for (const gate of gates) {
    const decision = (await findDecision(tx, promotionId, gate.id))?.body;
    if (decision === undefined) {
      return refusal('decision-missing', `Gate ${gate.id} of ${promotionId} has not decided.`);
    }
    if (decision.decision !== 'allow' || decision.policyDigest !== rules.policyDigest) {
      const by = `${decision.decision} by policy ${decision.policyDigest}`;
      return refusal(
        'decision-not-allow',
        `Gate ${gate.id} of ${promotionId} answered ${by}; the frozen policy is ${rules.policyDigest}.`,
      );
    }
  }
  return undefined;
}

async function findRevertProblem(
  tx: Tx,
  { promotionId, target }: SignCommandRequest,
): Promise<Refused | undefined> {
  const dispatched = (await listCommands(tx, promotionId)).some(
    (command) => command.target === target && command.kind === 'deploy',
  );
  return dispatched
    ? undefined
    : refusal('nothing-to-revert', `${promotionId} deployed nothing to ${target}.`);
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
