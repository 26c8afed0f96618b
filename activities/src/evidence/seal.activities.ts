import {
  isPromotionEnd,
  isPromotionTransition,
  PREDICATE_TYPES,
  parseStepType,
} from '@sluice/domain';
import {
  askedRollbackOf,
  deleteBudgetClaims,
  findPromotion,
  lookNow,
  type PromotionRecord,
  setPacketDigest,
  setPromotionState,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import { digestOf } from '@sluice/pure';
import {
  composePacket,
  composePromotionStatement,
  packetText,
  statementDigest,
} from '@sluice/signing';
import {
  FAILURES,
  type InterpreterActivities,
  LEASED_STEPS,
  promotionWorkflowId,
} from '@sluice/temporal-contract';
import type { ActivityDependencies } from '../dependencies.ts';
import { activityFailure, errorCodeOf } from '../failures.ts';
import { keepOpenStepLogs } from '../log/keep-step-log.ts';
import { recordEventOf } from '../records/promotion-event.ts';
import { recordPromotionEvent } from '../records/state.activities.ts';
import { runActivity } from '../run-activity.ts';
import { openWatch } from '../watch/open-watch.ts';
import {
  closedApproval,
  closedStep,
  closeOpenParts,
  settleDeployments,
} from './close-open-parts.ts';
import { type DeploymentStatements, signDeployments } from './deployment-statements.ts';
import { keepMemberLists, type MemberSummary, summaryOf } from './member-list.ts';
import { gatherEvidence, type PromotionEvidence } from './promotion-facts.ts';
import { recordStatement, type SignedStatement, statementContext } from './statement-signing.ts';
import { putText, recordBlobs, type StoredBlob } from './stored-document.ts';
import { leavesSteps } from './unsettled-steps.ts';

/** Media type of an evidence packet. */
export const PACKET_MEDIA_TYPE = 'application/vnd.sluice.packet+json';

type SealInput = Parameters<InterpreterActivities['sealPromotion']>[0];
type SealAnswer = Awaited<ReturnType<InterpreterActivities['sealPromotion']>>;
type Ending = Pick<SealInput, 'state' | 'reason'>;
type SealParts = Pick<
  ActivityDependencies,
  'pool' | 'evidence' | 'signer' | 'logger' | 'scope' | 'observe'
>;

interface SealedParts {
  readonly deployments: DeploymentStatements['signed'];
  readonly root: SignedStatement;
  readonly packet: StoredBlob;
  /** What statements name by digest: members of steps, and what was sent to many targets. */
  readonly documents: readonly StoredBlob[];
}

/**
 * `sealPromotion`: deployment statements from the stored signed reports, the promotion statement over all, the
 * packet into the evidence store, and then one transaction for the rest. What is signed comes from the records
 * and the input alone and Ed25519 is deterministic, so that a retry makes the same bytes; once a packet is
 * named, every retry answers with it.
 */
export function createSealActivities(
  parts: SealParts,
): Pick<InterpreterActivities, 'sealPromotion'> {
  return {
    sealPromotion: (input) =>
      runActivity(
        parts,
        'sealPromotion',
        { ...input.promotion, traceparent: input.traceparent },
        async (log, { workflowId }) => {
          const { tenantId, promotionId } = input.promotion;
          const before = await withTenant(parts.pool, tenantId, (tx) =>
            findPromotion(tx, promotionId),
          );
          if (before !== undefined && before.packetDigest !== null) {
            return answerOf(input, before.packetDigest, before);
          }
          // What attempts that died have written is kept before everything ends.
          await keepOpenStepLogs(parts, { tenantId, promotionId });
          const facts = await withTenant(
            parts.pool,
            tenantId,
            (tx) => gatherEvidence(tx, promotionId),
            { isolation: 'repeatable read', readOnly: true },
          );
          if (await leavesSteps(parts, input, facts.promotion)) {
            log.info({ state: input.state }, 'not sealed: steps of an earlier run are put back');
            return { packetDigest: '', revertFirst: true, undoFirst: true };
          }
          if (mustRevertFirst(input, facts)) {
            log.info({ state: input.state }, 'not sealed: targets of an earlier run are put back');
            return { packetDigest: '', revertFirst: true };
          }
          const ending = endingOf(input, facts.promotion);
          const sealed = await makePacket(parts, { ...input, ...ending }, facts).catch((error) =>
            explainRefusal(parts, input, facts, error),
          );
          // Repeatable read: a report that is stored meanwhile makes this lose the race and begin again.
          const answer = await withTenant(
            parts.pool,
            tenantId,
            (tx) => recordSeal(tx, input, ending, facts, sealed, workflowId),
            { isolation: 'repeatable read' },
          );
          log.info({ state: ending.state, ...answer }, 'promotion sealed');
          return answer;
        },
      ),
  };
}

/**
 * Whether a run that has not looked for targets would leave a release on some that an earlier one, before a reset, has
 * brought there, or is about to.
 */
function mustRevertFirst(
  { state, targetsSettled }: SealInput,
  { promotion, steps, deployments }: PromotionEvidence,
): boolean {
  if (targetsSettled !== false || state === 'succeeded') return false;
  if (promotion.kind === 'rollback' || promotion.supersededBy !== null) return false;
  const isAtWork = steps.some(
    (step) => step.state === 'running' && LEASED_STEPS.has(parseStepType(step.type).type),
  );
  return isAtWork || deployments.some((one) => one.state === 'confirmed' || one.state === 'lost');
}

async function makePacket(
  { signer, evidence }: SealParts,
  { promotion: { tenantId, promotionId }, state, reason, endedAt }: SealInput,
  facts: PromotionEvidence,
): Promise<SealedParts> {
  const context = statementContext(promotionId, facts.release);
  const { signed: deployments, documents } = await signDeployments(
    { signer, evidence },
    tenantId,
    context,
    facts.deployments,
  );
  const envelopes = [...facts.statements, ...deployments.map(({ signed }) => signed.envelope)];
  const { promotion, plan } = facts;
  const rollback = askedRollbackOf(promotion);
  const statement = composePromotionStatement(
    context,
    {
      state,
      reason,
      endedAt,
      environment: promotion.environment,
      kind: promotion.kind,
      ...(rollback === undefined ? {} : { rollback }),
      requestedBy: promotion.requestedBy,
      requestedAt: promotion.requestedAt,
      startedAt: promotion.startedAt,
      rules: promotion.rules,
      plan,
      approval: closedApproval(facts.approval),
      supersededBy: promotion.supersededBy,
      steps: facts.steps.map((step) => sealedStep(facts, closedStep(step, reason))),
    },
    envelopes,
  );
  const { envelope } = await signer.signStatement({ tenantId, promotionId, statement });
  const packet = composePacket(promotionId, envelopes, envelope);
  return {
    deployments,
    root: {
      digest: statementDigest(envelope),
      predicateType: PREDICATE_TYPES.promotion,
      envelope,
    },
    packet: await putText(evidence, packetText(packet), PACKET_MEDIA_TYPE),
    documents: [...documents, ...(await keepMemberLists(evidence, facts.members))],
  };
}

function sealedStep(
  { members }: PromotionEvidence,
  step: PromotionEvidence['steps'][number],
): PromotionEvidence['steps'][number] & { readonly members?: MemberSummary } {
  const summary = summaryOf(members, step.id);
  return summary === undefined ? step : { ...step, members: summary };
}

/** The signer reads the records itself: what it refuses for they have moved on meanwhile is no last word. */
async function explainRefusal(
  { pool }: SealParts,
  { promotion: { tenantId, promotionId } }: SealInput,
  facts: PromotionEvidence,
  error: unknown,
): Promise<never> {
  if (errorCodeOf(error) === 'signer-refused') {
    const now = await withTenant(pool, tenantId, (tx) => gatherEvidence(tx, promotionId), {
      isolation: 'repeatable read',
      readOnly: true,
    });
    if (digestOf(now) !== digestOf(facts)) throw changedMeanwhile(promotionId);
  }
  throw error;
}

function changedMeanwhile(promotionId: string): Error {
  return activityFailure(
    FAILURES.unavailable,
    `The records of ${promotionId} changed while it was sealed; it is sealed again from what they say now.`,
  );
}

async function recordSeal(
  tx: Tx,
  input: SealInput,
  { state, reason }: Ending,
  facts: PromotionEvidence,
  sealed: SealedParts,
  workflowId: string,
): Promise<SealAnswer> {
  const { endedAt } = input;
  const { promotionId } = input.promotion;
  const now = await gatherEvidence(tx, promotionId);
  const { promotion } = now;
  if (promotion.packetDigest !== null) return answerOf(input, promotion.packetDigest, promotion);
  if (digestOf(now) !== digestOf(facts)) throw changedMeanwhile(promotionId);
  for (const { target, signed } of sealed.deployments) {
    await recordStatement(tx, promotionId, signed, target === undefined ? {} : { target });
  }
  await recordStatement(tx, promotionId, sealed.root);
  await recordBlobs(tx, [sealed.packet, ...sealed.documents]);
  await settleDeployments(tx, promotion, facts.deployments, state === 'succeeded');
  await closeOpenParts(tx, facts, reason);
  await deleteBudgetClaims(tx, promotionId);
  // A late `queued` of an attempt that was given up must not keep the end from being written.
  if (!isPromotionTransition(promotion.state, state)) {
    await setPromotionState(tx, { promotionId, state: 'running' });
  }
  await setPromotionState(tx, { promotionId, state, reason, endedAt });
  await setPacketDigest(tx, promotionId, sealed.packet.digest);
  await recordPromotionEvent(tx, promotion, state, reason);
  const { packet, root } = sealed;
  const data = { packet: packet.digest, statement: root.digest, state };
  await recordEventOf(tx, 'promotion.sealed', promotion, data);
  if (state === 'succeeded') await openWatch(tx, promotion, endedAt);
  // Its workflow closes next; the one that a settlement seals for has closed, and its history waits for the packet.
  const closing = [workflowId, promotionWorkflowId(tx.tenantId, promotionId)];
  for (const id of new Set(closing)) await lookNow(tx, id);
  return answerOf(input, sealed.packet.digest, { state, reason });
}

/**
 * Whatever a promotion came to that a rollback took the lease from, it is cancelled: what runs is the rollback's to say. The
 * word of that may not have reached its workflow yet.
 */
function endingOf(
  { state, reason }: SealInput,
  { supersededBy }: Pick<PromotionRecord, 'supersededBy'>,
): Ending {
  if (supersededBy === null || state === 'cancelled') return { state, reason };
  const message = `${supersededBy} took the lease before this promotion was sealed; look at what it puts there.`;
  return { state: 'cancelled', reason: { code: 'superseded', message } };
}

function answerOf(
  input: SealInput,
  packetDigest: string,
  { state, reason }: Pick<PromotionRecord, 'state' | 'reason'>,
): SealAnswer {
  return state === input.state || !isPromotionEnd(state)
    ? { packetDigest }
    : { packetDigest, ended: { state, reason } };
}
