import type { CommandKind, Plan } from '@sluice/domain';
import {
  type CommandRecord,
  findCommandByIdempotencyKey,
  holdStepState,
  moveCommand,
  nextCommandSequence,
  type PromotionRecord,
  setDeploymentState,
  setStepState,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import { canonicalJson } from '@sluice/pure';
import { FAILURES } from '@sluice/temporal-contract';
import type { ActivityScope } from '../activity-scope.ts';
import { answerForBudgets } from '../budget/answer-for-budgets.ts';
import { assertBudgetRoom, claimBudgets } from '../budget/claim-budgets.ts';
import type { ActivityDependencies } from '../dependencies.ts';
import { activityFailure } from '../failures.ts';
import { assertRolloutGoesOn } from '../rollout/assert-rollout-goes-on.ts';
import { commandKey } from '../step/effect-key.ts';
import { composePlanPayload, sideOf } from './command-payload.ts';
import { storeSignedCommand } from './store-command.ts';

/** What an agent shall be told. */
export interface DispatchOrder {
  readonly tenantId: string;
  readonly promotion: PromotionRecord;
  readonly stepId: string;
  readonly target: string;
  readonly kind: CommandKind;
  /** Round of planning; the first when absent. */
  readonly round?: number | undefined;
  /** Its desired side is deployed, its current side is what a revert puts back. */
  readonly plan: Plan;
  readonly planDigest: string;
  /** How long the command is valid. */
  readonly validSeconds: number;
}

/**
 * Has the signer sign the command and stores it, once: a command that was stored before comes back as it is.
 * Sequence, signature and row belong to one transaction that holds the target's row, so that commands become
 * visible in the order of their sequences.
 */
export async function dispatchCommand(
  parts: Pick<ActivityDependencies, 'pool' | 'signer' | 'now'>,
  order: DispatchOrder,
  scope: ActivityScope,
): Promise<CommandRecord> {
  const { promotion, stepId, round, target, kind, plan } = order;
  const key = commandKey(promotion.promotionId, stepId, target, kind, round);
  const dispatch = async (tx: Tx): Promise<CommandRecord> => {
    const payload = canonicalJson(await composePlanPayload(tx, promotion, kind, plan));
    const stored = await findCommandByIdempotencyKey(tx, key);
    if (stored !== undefined) return stored;
    const sequence = await nextCommandSequence(tx, target);
    const raced = await findCommandByIdempotencyKey(tx, key);
    if (raced !== undefined) return raced;
    await assertWanted(tx, order);
    // The first attempt is what the interpreter wants just now; it cannot call back a later one.
    if (kind === 'deploy' && scope.attempt > 1) await assertRolloutGoesOn(tx, order);
    await assertBudgetRoom(tx, order);
    const releaseDigest = sideOf(kind, plan)?.release ?? null;
    const wanted = { ...order, idempotencyKey: key, sequence, payload, releaseDigest };
    const command = await storeSignedCommand(tx, parts, wanted, scope);
    // After the signature: what others wait for is held no longer than it takes to commit.
    await claimBudgets(tx, order);
    const { promotionId } = promotion;
    if (kind === 'deploy') {
      await setDeploymentState(tx, { promotionId, target, state: 'dispatched' });
    }
    return command;
  };
  return answerForBudgets(parts, order, scope, () =>
    withTenant(parts.pool, order.tenantId, dispatch),
  );
}

/**
 * Ends this attempt: the agent's report completes the activity. A command that an earlier run of the same workflow dispatched
 * before it was reset is this run's from now on; a report that is being stored in this moment is found by the next attempt.
 * Where another workflow dispatched it, nothing completes this activity: it asks again until the report is stored.
 */
export async function awaitReport(
  { pool }: Pick<ActivityDependencies, 'pool'>,
  tenantId: string,
  scope: ActivityScope,
  command: CommandRecord,
): Promise<never> {
  const { workflowId, runId, activityId } = command;
  if (workflowId === scope.workflowId) {
    if (runId !== scope.runId || activityId !== scope.activityId) {
      await withTenant(pool, tenantId, (tx) => moveCommand(tx, command.commandDigest, scope));
    }
    return scope.completeLater();
  }
  throw activityFailure(
    FAILURES.reportAwaited,
    `Command ${command.sequence} of ${command.target} was dispatched by ${workflowId}, run ${runId}; ` +
      'its report is not there yet and is looked for again.',
  );
}

/**
 * A deploy step that the interpreter has ended (cancel, deadline) must not reach a target any more: its row's
 * lock and its state decide, so that after `recordStep` nothing is dispatched behind the interpreter's back.
 */
async function assertWanted(tx: Tx, { promotion, stepId, kind }: DispatchOrder): Promise<void> {
  if (kind !== 'deploy') return;
  const { promotionId } = promotion;
  if (promotion.rules?.form !== 3) {
    await setStepState(tx, { promotionId, stepId, state: 'running' });
    return;
  }
  // Targets beside each other do not wait for each other's commands to be signed.
  const state = await holdStepState(tx, promotionId, stepId);
  if (state === 'running') return;
  throw activityFailure(
    FAILURES.illegalTransition,
    `Step ${stepId} of ${promotionId} is ${state}: nothing is sent to a target any more.`,
  );
}
