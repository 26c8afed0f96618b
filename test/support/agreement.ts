import { setTimeout as sleep } from 'node:timers/promises';
import type { Stack } from '@sluice/infra';
import { createTemporalClient, loadCodecKeys } from '@sluice/temporal-client';
import { promotionWorkflowId } from '@sluice/temporal-contract';
import type { PromotionAnswer } from './documents.ts';
import { readJournal } from './journal.ts';
import { findContradictions, queryStack } from './promotion-checks.ts';

/** What a promotion's own run in the engine came to. */
export interface RunEnd {
  /** `COMPLETED`, `TERMINATED`, `FAILED`, `RUNNING` … */
  readonly status: string;
  /** End state that the run itself returned; null when it did not complete. */
  readonly state: string | null;
}

/** Reads the end of a promotion's run with the tenant's key. */
export async function readRunEnd(stack: Stack, promotionId: string): Promise<RunEnd> {
  const client = await createTemporalClient({
    address: stack.temporalAddress,
    namespace: stack.temporalNamespace,
    codecKeys: await loadCodecKeys(stack.layout.codecKeys),
  });
  try {
    const handle = client.workflow.getHandle(promotionWorkflowId(stack.tenant, promotionId));
    const { status } = await handle.describe();
    if (status.name !== 'COMPLETED') return { status: status.name, state: null };
    const { state } = (await handle.result()) as { state: string };
    return { status: status.name, state };
  } finally {
    await client.connection.close();
  }
}

/** What follows the seal (the lease's return, the run's end) may take a moment, longer after a kill. */
const SETTLE_MS = 30_000;

/**
 * Where the journal of each target, the records, the history and the events of an ended promotion do not agree, with all that
 * contradicts "exactly once". Empty when they do.
 */
export async function findDisagreements(
  stack: Stack,
  promotion: PromotionAnswer,
): Promise<readonly string[]> {
  const deadline = Date.now() + SETTLE_MS;
  for (;;) {
    const problems = await findDisagreementsNow(stack, promotion).catch((error: unknown) => [
      `could not be judged: ${String(error)}`,
    ]);
    if (problems.length === 0 || Date.now() > deadline) return problems;
    await sleep(500);
  }
}

async function findDisagreementsNow(
  stack: Stack,
  promotion: PromotionAnswer,
): Promise<readonly string[]> {
  const { id } = promotion;
  const problems = [...(await findContradictions(stack, promotion))];
  const events = await queryStack<{ type: string; data: { state?: string; step?: string } }>(
    stack,
    `select type, data from sluice.events where promotion_id = $1 order by position nulls last, arrival`,
    [id],
  );
  const lastState = events.filter(({ type }) => type === 'promotion.state-changed').at(-1)
    ?.data.state;
  if (lastState !== promotion.state.toLowerCase()) {
    problems.push(`the events end in ${lastState}, the record in ${promotion.state}`);
  }
  for (const step of promotion.steps) {
    const told = events
      .filter(({ type, data }) => type === 'step.state-changed' && data.step === step.id)
      .at(-1)?.data.state;
    if (told !== undefined && told !== step.state.toLowerCase()) {
      problems.push(`step ${step.id} is ${step.state}, its events end in ${told}`);
    }
    if (['RUNNING', 'WAITING', 'PENDING'].includes(step.state)) {
      problems.push(`step ${step.id} is ${step.state} after the end`);
    }
  }
  const run = await readRunEnd(stack, id);
  if (run.status === 'RUNNING') problems.push('its run has not ended');
  if (run.state !== null && run.state !== promotion.state.toLowerCase()) {
    problems.push(`the history ends in ${run.state}, the record in ${promotion.state}`);
  }
  problems.push(...(await findTargetProblems(stack, promotion)));
  const waiting = await queryStack(
    stack,
    `select from sluice.approval_requests where promotion_id = $1 and state = 'waiting'`,
    [id],
  );
  if (waiting.length > 0) problems.push('an approval is still asked for');
  const places = await queryStack(stack, 'select from sluice.lease_queue where holder = $1', [
    `promotion:${id}`,
  ]);
  if (places.length > 0) problems.push('it still has a place in a queue');
  return problems;
}

/** A target's own journal against its record, where this promotion's command was the target's last. */
async function findTargetProblems(
  stack: Stack,
  { id, state, deployments }: PromotionAnswer,
): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const { target, state: deployed } of deployments) {
    const last = (await readJournal(stack, target.name))
      .filter(({ stage }) => ['confirmed', 'reverted', 'refused'].includes(stage))
      .at(-1);
    if (last === undefined || !last.idempotencyKey?.startsWith(`${id}/`)) continue;
    const [row] = await queryStack<{ release: string | null }>(
      stack,
      'select release_digest as release from sluice.current_releases where target_id = $1',
      [target.name],
    );
    const active = (last as { activeRelease?: string | null }).activeRelease ?? null;
    if (active !== (row?.release ?? null) && state !== 'FAILED') {
      problems.push(`${target.name} runs ${active} by its journal, ${row?.release} by the records`);
    }
    if (state === 'SUCCEEDED' && deployed !== 'CONFIRMED') {
      problems.push(`${target.name} is ${deployed} in a promotion that succeeded`);
    }
  }
  return problems;
}
