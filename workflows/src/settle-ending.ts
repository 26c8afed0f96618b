import { parseStepType } from '@sluice/domain';
import { LEASED_STEPS, type Reason } from '@sluice/temporal-contract';
import { CancellationScope, condition } from '@temporalio/workflow';
import type { Ending } from './interpret-pipeline.ts';
import type { PromotionRun } from './promotion-run.ts';
import { revertDeployedTargets, type SettledEnding } from './revert-targets.ts';
import { recordStepState } from './step-records.ts';

/** So long a run that lost its lease waits for the word of who took it. */
const SUPERSESSION_PATIENCE = '5s';

/** Codes that a promotion meets when a rollback took its lease, before it is told so. */
const LOST_LEASE = ['lease-lost', 'signer-refused', 'revert-failed'];

/**
 * What is sealed. After an unhappy end targets are put back, but not by a rollback, whose reason says what runs instead,
 * and not by a superseded promotion, which is cancelled whatever else it met.
 */
export async function settleEnding(run: PromotionRun, ending: Ending): Promise<SettledEnding> {
  await awaitSupersession(run, ending);
  let settled: SettledEnding = ending;
  if (ending.state !== 'succeeded' && run.effectsBegun && run.supersededBy === undefined) {
    settled =
      run.input.kind === 'rollback' ? describeRollback(run, ending) : await putBack(run, ending);
    await awaitSupersession(run, settled);
  }
  if (run.supersededBy === undefined) return settled;
  return { state: 'cancelled', reason: run.supersession() };
}

async function putBack(run: PromotionRun, ending: Ending): Promise<SettledEnding> {
  run.compensation = new CancellationScope();
  const scope = run.compensation;
  return scope.run(() => revertDeployedTargets(run, ending));
}

/**
 * An attempt of the run before a reset may still be at work on a step that this run never came to. A dispatch looks at the
 * step's state under the same lock: from here on the list of deployments is complete.
 */
export async function fenceSkippedDeployments(
  run: PromotionRun,
  reason: Reason | null,
): Promise<void> {
  for (const { id, type } of run.rules?.pipeline.steps ?? []) {
    const isSkipped = run.stepStates().get(id) === 'skipped';
    if (isSkipped && LEASED_STEPS.has(parseStepType(type).type)) {
      await recordStepState(run, id, 'cancelled', reason);
    }
  }
}

/** Only with rules of the second form and later ones is a lease lost to anybody. */
export async function awaitSupersession(
  run: PromotionRun,
  { reason }: SettledEnding,
): Promise<void> {
  if (run.rules?.form === undefined || reason === null || !LOST_LEASE.includes(reason.code)) return;
  await hearWhoTookLease(run);
}

/** Gives who took the lease the time to say so. */
export async function hearWhoTookLease(run: PromotionRun): Promise<void> {
  if (run.supersededBy !== undefined) return;
  await condition(() => run.supersededBy !== undefined, SUPERSESSION_PATIENCE);
}

/** What was there before is what it was to replace: it stays where it came to. */
function describeRollback(run: PromotionRun, { state, reason }: Ending): SettledEnding {
  const { deployedTargets, rules, input } = run;
  const done = [...deployedTargets].sort();
  const unknown = (rules?.targets ?? []).filter((target) => !deployedTargets.has(target));
  const told = [
    ...(done.length === 0 ? [] : [`${input.releaseDigest} runs on ${done.join(', ')}.`]),
    ...(unknown.length === 0 ? [] : [`Look at what runs on ${unknown.join(', ')}.`]),
  ];
  const message = `${reason?.message ?? ''} A rollback is not put back. ${told.join(' ')}`.trim();
  return { state, reason: { code: reason?.code ?? 'rollback-failed', message } };
}
