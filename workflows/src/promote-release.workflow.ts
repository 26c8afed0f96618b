/*
 * promoteRelease moves one release to one environment: it interprets the pipeline that its rules froze.
 *
 * States: requested → running → (waiting → running) → (queued → running) → succeeded, denied, failed, reverted or
 * cancelled; each end is sealed.
 * It waits for: the rules, its steps' activities (a deployment's is completed by the agent's report), people's
 * decisions (Update `decideApproval`, whose validator refuses synchronously; meanwhile the promotion's own clock stands
 * still), and the environment's lease (signal `leaseGranted`, or asking again by timer), which it takes right before the
 * first step with effects and keeps to the end. Each wait ends by its own deadline, all but the approval's by the promotion's. Only records
 * and the seal are tried for as long as it takes: without them nothing can be said about the promotion.
 * Rounds: a plan that does not hold any more, found when the lease is held, when `targetsChanged` wakes a wait for approval, or by
 * all agents, sends plan and approval back to pending; the lease is yielded where people must approve again.
 * Cancelling: the signal `cancelPromotion` and the engine's cancellation do the same in every state: the work scope is
 * cancelled, running steps end as cancelled, and what follows cannot be interrupted. Votes that were admitted before are
 * still recorded. Once the outcome is decided a cancellation is accepted and changes nothing.
 * Superseding: the signal `supersedePromotion` says that a rollback has taken the lease: the run ends as cancelled in every
 * state before its seal, reverts included, and touches no target any more.
 * Compensation: when a promotion that may have touched targets does not succeed, every target that a deployment was
 * dispatched to is reverted; what could not be reverted makes the promotion `failed` and is named in its reason. A rollback
 * takes the lease first, from whoever holds it, and is never reverted.
 * After a reset the records say at the seal what was deployed before it: that is reverted as well.
 * Where the environment has routers, a rollback first takes requests off what an unfinished rollout has made new, and lets them go
 * where they went before that once its targets are as they were.
 * Rules without `form` are of promotions that began before all this: they run as they did then.
 * Form 3: the pipeline is a team's data, and runs as a course (`course/`): conditions, matrices (over 100 members in shards: child
 * workflows), groups, waits. A promotion that does not go well puts back what was done, the last first, and then runs the steps that
 * wanted to run however it ended; both cannot be cancelled, and its deadline counts only until they begin. Superseded meanwhile it puts
 * nothing more back, and interrupts what touches targets; a step without targets that is just being put back comes to its end. When the history has become
 * long, nothing more begins, what runs comes to its end, and the run continues as new.
 * A step of type `rollout` runs in stages (`rollout/`): people steer it (Update `steerRollout`), and while it is paused the promotion's own
 * clock stands still. When it fails, is aborted, or the promotion is stopped, requests go off what is new before anything else; the targets
 * are put back as of every step, those that had the new version last first, and then requests go where they went before.
 */
import { assertPipeline, cutText, DEFAULT_DEADLINES, isCourse } from '@sluice/domain';
import type {
  CancelPromotionSignal,
  FrozenRules,
  LeaseGrantedSignal,
  PromoteReleaseInput,
  PromotionResult,
  PromotionStatus,
  ShardFailedSignal,
  SupersedePromotionSignal,
  TargetsChangedSignal,
} from '@sluice/temporal-contract';
import { environmentLease, PROMOTION_MESSAGES, SHARD_FAILED } from '@sluice/temporal-contract';
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  defineQuery,
  defineSignal,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { controlWithin } from './activity-classes.ts';
import { listenToDecisions } from './approval-update.ts';
import { openCourse } from './course/open-course.ts';
import { meaningOfFailure } from './failure-reason.ts';
import { type Ending, interpretPipeline } from './interpret-pipeline.ts';
import { holdLease } from './lease-wait.ts';
import { PromotionClock } from './promotion-clock.ts';
import { PromotionRun } from './promotion-run.ts';
import { rollBackRoutes } from './rollout/rollback-routes.ts';
import { listenToSteering } from './rollout/steer-update.ts';
import { sealEnding } from './seal-epilogue.ts';

const promotionStatus = defineQuery<PromotionStatus>(PROMOTION_MESSAGES.promotionStatus);
const cancelPromotion = defineSignal<[CancelPromotionSignal]>(PROMOTION_MESSAGES.cancelPromotion);
const leaseGranted = defineSignal<[LeaseGrantedSignal]>(PROMOTION_MESSAGES.leaseGranted);
const targetsChanged = defineSignal<[TargetsChangedSignal]>(PROMOTION_MESSAGES.targetsChanged);
const supersedePromotion = defineSignal<[SupersedePromotionSignal]>(
  PROMOTION_MESSAGES.supersedePromotion,
);
const shardFailed = defineSignal<[ShardFailedSignal]>(SHARD_FAILED);

/** A cancellation's reason is a person's text: longer ones are cut. */
const MAX_REASON = 500;

/**
 * Runs one promotion to its sealed end. Every outcome is a result; the run fails only when its end cannot be sealed.
 * @throws ApplicationFailure `SealingFailed`
 */
export async function promoteRelease(input: PromoteReleaseInput): Promise<PromotionResult> {
  const run = new PromotionRun(input);
  // Handlers stand before the first await: a signal may have been there before the workflow was.
  listenToMessages(run);
  run.announce();
  const ending = await workToEnding(run);
  run.settle();
  return CancellationScope.nonCancellable(async () => {
    try {
      return await sealEnding(run, ending);
    } finally {
      // An Update that was admitted gets its answer before the run closes.
      await condition(allHandlersFinished);
    }
  });
}

function listenToMessages(run: PromotionRun): void {
  setHandler(promotionStatus, () => run.status());
  setHandler(leaseGranted, ({ resource }) => {
    if (resource === environmentLease(run.input.environment)) run.leaseSignals += 1;
    else run.course?.noteGrant(resource);
  });
  setHandler(targetsChanged, ({ resource }) => {
    if (resource === environmentLease(run.input.environment)) run.targetChanges += 1;
  });
  setHandler(shardFailed, ({ stepId }) => run.course?.shardFailures.get(stepId)?.());
  setHandler(supersedePromotion, ({ by }) => run.supersede(by));
  listenToDecisions(run);
  listenToSteering(run);
  const stop = (message: string): void =>
    run.stop({ state: 'cancelled', reason: { code: 'promotion-cancelled', message } });
  setHandler(cancelPromotion, ({ requestedBy, reason }) =>
    stop(cutText(`Cancelled by ${requestedBy}: ${reason}`, MAX_REASON)),
  );
  CancellationScope.current().cancelRequested.catch(() => stop('Cancelled through the engine.'));
}

async function workToEnding(run: PromotionRun): Promise<Ending> {
  try {
    return await run.work.run(async () => {
      const { promotion, resume } = run.input;
      const freeze = (): Promise<FrozenRules> =>
        controlWithin(DEFAULT_DEADLINES.promotionSeconds).freezeRules({ promotion });
      // Without its rules a run that goes on could not put back what those before it have done.
      const rules = await (resume === undefined
        ? freeze()
        : CancellationScope.nonCancellable(freeze));
      if (isCourse(rules.pipeline)) return await followCourse(run, rules);
      // Its place in the queue was entered with these rules. When their answer is lost, the watchdog gives it back.
      if (rules.form === 2) run.leaseSought = true;
      assertPipeline(rules.pipeline);
      run.adoptRules(rules);
      armDeadline(run, rules.deadlines.promotionSeconds);
      // Older rules: the state is recorded by a call of its own, as their histories have it.
      if (rules.begun === true) run.showState('running');
      else await run.enterState('running');
      if (rules.form === 2 && rules.kind === 'rollback') {
        // It has the lease before it plans, from whoever holds it.
        const problem = await holdLease(run, rules.deadlines.queueSeconds, true);
        if (problem !== null) return { state: 'failed', reason: problem };
        if (rules.routers !== undefined) return await rollBackRoutes(run, rules);
      }
      return await interpretPipeline(run, rules);
    });
  } catch (error) {
    const reason = reasonOf(error);
    return run.stopCause ?? { state: 'failed', reason };
  }
}

async function followCourse(run: PromotionRun, rules: FrozenRules): Promise<Ending> {
  const { resume } = run.input;
  run.leaseSought = true;
  run.adoptRules(rules);
  if (resume?.ending === undefined) armDeadline(run, rules.deadlines.promotionSeconds);
  if (rules.begun === true) run.showState('running');
  else await run.enterState('running');
  return openCourse(run, rules);
}

/** The whole promotion's deadline counts from its start, queue included; approvals are not counted. */
function armDeadline(run: PromotionRun, seconds: number): void {
  const elapsed = Date.now() - workflowInfo().startTime.getTime();
  const leftMs = run.input.resume?.leftMs ?? seconds * 1000 - elapsed;
  const reason = {
    code: 'promotion-deadline-exceeded',
    message: `The promotion did not end within ${seconds} s. Look at the step that was running, then promote again.`,
  };
  const expire = (): void => run.stop({ state: 'failed', reason });
  run.clock = new PromotionClock(leftMs, expire);
  run.clock.start();
}

/** What kept a promotion from its pipeline; anything that is no outcome is thrown on as the bug it is. */
function reasonOf(error: unknown): { readonly code: string; readonly message: string } {
  const { name, code, message } = error as { name?: string; code?: string; message?: string };
  if (name === 'DomainError') {
    return { code: code ?? 'pipeline-invalid', message: `${message} Correct the pipeline.` };
  }
  const seconds = DEFAULT_DEADLINES.promotionSeconds;
  const meaning = meaningOfFailure(error, 'freeze-rules', 'Start of the promotion', seconds);
  if (meaning === undefined) throw error;
  if (meaning.kind !== 'cancelled') return meaning.reason;
  return { code: 'promotion-cancelled', message: 'Cancelled before its first step.' };
}
