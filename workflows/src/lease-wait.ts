import type { LeaseAnswer, Reason } from '@sluice/temporal-contract';
import { environmentLease } from '@sluice/temporal-contract';
import { condition } from '@temporalio/workflow';
import { controlWithin } from './activity-classes.ts';
import { meaningOfFailure } from './failure-reason.ts';
import type { PromotionRun } from './promotion-run.ts';

/** The signal wakes the waiter; this often it asks by itself, should the signal be lost. */
const POLLS_PER_DEADLINE = 60;

/**
 * Takes the environment's lease for the rest of the promotion, waiting in its queue until `queueSeconds` have passed.
 * The row decides: the signal and the timer only make the interpreter ask again.
 * @param preempt a rollback's: it is taken from whoever holds it
 * @returns null when it is held, otherwise why it is not
 */
export async function holdLease(
  run: PromotionRun,
  queueSeconds: number,
  preempt = false,
): Promise<Reason | null> {
  if (run.fencingToken !== null) return null;
  const until = Date.now() + queueSeconds * 1000;
  const pollMs = Math.max(1000, (queueSeconds * 1000) / POLLS_PER_DEADLINE);
  let holder = 'another promotion';
  for (;;) {
    const remaining = until - Date.now();
    if (remaining <= 0) return leaseDeadline(run, queueSeconds, holder);
    const signalsSeen = run.leaseSignals;
    const answer = await askForLease(run, Math.ceil(remaining / 1000), queueSeconds, preempt);
    if ('code' in answer) return answer;
    if (answer.state === 'granted') {
      run.fencingToken = answer.fencingToken;
      if (run.state === 'queued') await run.enterState('running');
      return null;
    }
    holder = answer.holder;
    if (run.state !== 'queued') await run.enterState('queued');
    const pause = Math.min(pollMs, until - Date.now());
    if (pause > 0) await condition(() => run.leaseSignals > signalsSeen, pause);
  }
}

async function askForLease(
  run: PromotionRun,
  withinSeconds: number,
  queueSeconds: number,
  preempt: boolean,
): Promise<LeaseAnswer | Reason> {
  const { promotion, environment } = run.input;
  run.leaseSought = true;
  try {
    return await controlWithin(withinSeconds).takeLease({
      promotion,
      resource: environmentLease(environment),
      ...(preempt ? { preempt } : {}),
    });
  } catch (error) {
    const what = `The lease of environment ${environment}`;
    const meaning = meaningOfFailure(error, 'lease', what, queueSeconds);
    if (meaning === undefined || meaning.kind === 'cancelled') throw error;
    return meaning.reason;
  }
}

function leaseDeadline(run: PromotionRun, queueSeconds: number, holder: string): Reason {
  return {
    code: 'lease-deadline-exceeded',
    message:
      `Environment ${run.input.environment} did not become free within ${queueSeconds} s: ${holder} holds it. ` +
      'End that promotion or wait for it, then promote again.',
  };
}
