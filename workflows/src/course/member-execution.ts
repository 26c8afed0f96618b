import type { CourseStep, JsonValue } from '@sluice/domain';
import { parseStepType } from '@sluice/domain';
import type {
  ExecuteStepInput,
  MatrixMember,
  PromotionRef,
  Reason,
  StepResult,
} from '@sluice/temporal-contract';
import { BUDGET_WAIT_SECONDS, isWithoutRoom, waitsForBudget } from '../budget-wait.ts';
import { meaningOfFailure } from '../failure-reason.ts';
import {
  deadlineOf,
  type ExecutionTerms,
  executionWithin,
  queueSecondsOf,
} from './course-activities.ts';
import { queueOf } from './step-queue.ts';

/** All that an execution of a step, or of one member of its matrix, needs to know. */
export interface Execution extends Pick<CourseStep, 'type' | 'queue' | 'timeoutSeconds' | 'retry'> {
  readonly promotion: PromotionRef;
  readonly stepId: string;
  readonly round: number;
  readonly isOverTargets: boolean;
  readonly wants: readonly string[];
  readonly releaseDigest: string;
  readonly rulesDigest: string;
  readonly traceparent: string;
  /** The longest wait for a disruption budget, which is none of its own time. Seconds. */
  readonly waitSeconds?: number;
  /** True once a failure means nothing any more, because the promotion was stopped. */
  isStopped(): boolean;
}

/** What one execution came to. */
export interface ExecutionEnd {
  readonly outcome: StepResult['outcome'] | 'cancelled';
  /** Null exactly when it succeeded. */
  readonly reason: Reason | null;
  readonly outputs: Readonly<Record<string, string>>;
  readonly values: Readonly<Record<string, JsonValue>>;
  /** The activity itself could not write it. */
  readonly thrown: boolean;
  /** Only a disruption budget was asked, which had no room, and then nothing was to begin any more: it can run later. */
  readonly isLeft?: true;
}

/**
 * Runs a step, or one member of it, to its end; never throws for an outcome, nor for a cancellation.
 * @param isHeld of a rollout: true while nothing may begin, so that what still waits for a disruption budget is left
 */
export async function execute(
  execution: Execution,
  member?: MatrixMember,
  isHeld?: () => boolean,
): Promise<ExecutionEnd> {
  const what = `Step ${execution.stepId}${member === undefined ? '' : ` for ${member.key}`}`;
  const terms = { ...execution, isMember: member !== undefined };
  const { waitSeconds = BUDGET_WAIT_SECONDS } = execution;
  const until = Date.now() + waitSeconds * 1000;
  for (;;) {
    try {
      const result = await executionWithin(terms).executeStep(inputOf(execution, member));
      const { outcome, outputs } = result;
      const values = result.values ?? pick(outputs, execution.wants);
      const reason = outcome === 'succeeded' ? null : (result.reason ?? reasonMissing(what));
      return { outcome, outputs, values, reason, thrown: false };
    } catch (error) {
      if (isHeld?.() === true && isWithoutRoom(error) && !execution.isStopped()) {
        const end = endOfThrown(execution, terms, what, error);
        return { ...end, outcome: 'cancelled', isLeft: true };
      }
      if (waitsForBudget(error, until, () => execution.isStopped())) continue;
      return endOfThrown(execution, terms, what, error);
    }
  }
}

function endOfThrown(
  execution: Execution,
  terms: ExecutionTerms,
  what: string,
  error: unknown,
): ExecutionEnd {
  const { type } = parseStepType(execution.type);
  const meaning = meaningOfFailure(error, type, what, deadlineOf(terms));
  if (meaning === undefined) throw error;
  const isCancelled = meaning.kind === 'cancelled' || execution.isStopped();
  const reason =
    meaning.kind === 'cancelled'
      ? interruption(what)
      : (findMissingWorker(error, terms, what) ?? meaning.reason);
  return {
    outcome: isCancelled ? 'cancelled' : 'failed',
    outputs: {},
    values: {},
    reason,
    thrown: true,
  };
}

/** What was completed by an agent's report has digests alone. */
function pick(
  outputs: StepResult['outputs'],
  wants: readonly string[],
): Readonly<Record<string, JsonValue>> {
  const isWanted = (name: string): boolean => wants.includes(name) || wants.includes('*');
  return Object.fromEntries(Object.entries(outputs).filter(([name]) => isWanted(name)));
}

/** Said when nobody took the step: its capability is nowhere to be had. */
function findMissingWorker(error: unknown, terms: ExecutionTerms, what: string): Reason | null {
  const { cause } = error as { readonly cause?: { readonly timeoutType?: string } };
  if (cause?.timeoutType !== 'SCHEDULE_TO_START') return null;
  const queue = queueOf(terms);
  return {
    code: 'no-worker',
    message:
      `${what} was not taken within ${queueSecondsOf(terms)} s: no worker serves the queue ${queue}, or all are busy. ` +
      'Look at `queues` in the /readyz of the workers, then promote again.',
  };
}

/** The activity finds all else by itself: what the step needs, its inputs and the member's value. */
export function inputOf(
  { promotion, stepId, round, isOverTargets, wants, ...execution }: Omit<Execution, 'isStopped'>,
  member: MatrixMember | undefined,
): ExecuteStepInput {
  const { type, version } = parseStepType(execution.type);
  return {
    type,
    version,
    promotion,
    stepId,
    ...(round === 1 ? {} : { round }),
    ...(member !== undefined && isOverTargets ? { target: member.key } : {}),
    ...(member === undefined ? {} : { member }),
    ...(wants.length === 0 ? {} : { wants }),
    inputDigests: { release: execution.releaseDigest, rules: execution.rulesDigest },
    // The sandbox's clock: the time of the workflow task, the same in every replay.
    scheduledAt: new Date(Date.now()).toISOString(),
    traceparent: execution.traceparent,
  };
}

function reasonMissing(what: string): Reason {
  return { code: 'step-failed', message: `${what} failed without a reason; see its log.` };
}

/** Why something ended that was cancelled, where the promotion itself does not say it. */
export function interruption(what: string): Reason {
  const message = `${what} was cancelled from outside of its promotion; promote again.`;
  return { code: 'step-interrupted', message };
}
