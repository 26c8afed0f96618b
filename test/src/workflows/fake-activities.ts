import type { ApprovalState, StepState } from '@sluice/domain';
import { isDeployment } from '@sluice/domain';
import { digestOf } from '@sluice/pure';
import type {
  ExecuteStepInput,
  FrozenRules,
  InterpreterActivities,
  PromotionRef,
  RevertActivities,
  RolloutActivities,
  ShardActivities,
  StepActivities,
  StepResult,
} from '@sluice/temporal-contract';
import { PER_TARGET_STEPS } from '@sluice/temporal-contract';
import { Context } from '@temporalio/activity';
import { createCourseActivities, type FakeCourseSettings, nameOfExecution } from './fake-course.ts';
import { FakeRecords } from './fake-records.ts';
import { createRolloutActivities, type FakeRolloutSettings } from './fake-rollout.ts';

/** All activities of `promoteRelease` and of its shards. */
export type PromotionActivities = InterpreterActivities &
  ShardActivities &
  StepActivities &
  RevertActivities &
  RolloutActivities;

/** What one step type does in a test; absent means that it succeeds at once. */
export type FakeStep = (input: ExecuteStepInput) => Promise<StepResult>;

/** What a test changes about the fake control plane. */
export interface FakeSettings extends FakeCourseSettings, FakeRolloutSettings {
  readonly rules: FrozenRules;
  /** By step's id, or by type. */
  readonly steps?: Readonly<Record<string, FakeStep>>;
  readonly revert?: (target: string) => Promise<StepResult>;
  /** Overrides single activities. */
  readonly override?: Partial<PromotionActivities>;
  readonly records?: FakeRecords;
}

/** A good end with one output. */
export function succeeded(output: string): StepResult {
  return { outcome: 'succeeded', outputs: { result: digestOf(output) }, reason: null };
}

/** A bad end that is a result. */
export function unsuccessful(outcome: 'denied' | 'failed', code: string): StepResult {
  return { outcome, outputs: {}, reason: { code, message: `because of ${code}` } };
}

/** Activities over {@link FakeRecords}, idempotent like the real ones. */
export function createFakeActivities(settings: FakeSettings): {
  readonly activities: PromotionActivities;
  readonly records: FakeRecords;
} {
  const records = settings.records ?? new FakeRecords();
  const { rules } = settings;
  const { lease, approvals } = records;
  const deployed = new Set<string>();
  const reopened = new Set<string>();
  const happy = new Map<string, Set<string>>();

  /** Like the real one: the last target writes the common success, and nobody a failure. */
  const settleTarget = (place: string, target = '', { outcome }: StepResult): boolean => {
    const good = happy.get(place) ?? new Set<string>();
    happy.set(place, good);
    if (outcome === 'succeeded') good.add(target);
    return rules.targets.every((name) => good.has(name));
  };

  const planned = ({ round = 1 }: ExecuteStepInput): StepResult => ({
    outcome: 'succeeded',
    outputs: { plan: records.plan(round) },
    reason: null,
  });

  const runStep = async (input: ExecuteStepInput): Promise<StepResult> => {
    const { stepId, type, target, round = 1 } = input;
    const place = round === 1 ? stepId : `${stepId}~${round}`;
    if (rules.form === 3) records.begun.push(nameOfExecution(input));
    if ((records.stepStates.get(stepId) ?? 'pending') === 'pending') {
      records.setStep(stepId, 'running');
    }
    const key = input.member?.key ?? target ?? '';
    return records.once(`${place}/${key}`, async () => {
      if (isDeployment(type) && target !== undefined) deployed.add(target);
      const script =
        settings.steps?.[stepId] ??
        settings.steps?.[type] ??
        (type === 'plan' ? planned : undefined);
      const result = (await script?.(input)) ?? succeeded(`${stepId}/${key}`);
      if (rules.form === 3) {
        settleOfCourse(input, result);
        return result;
      }
      const done = PER_TARGET_STEPS.has(type) ? settleTarget(place, target, result) : true;
      if (type === 'deploy') records.journal.push(`deploy ${target} ${result.outcome}`);
      // The agent refused before it touched anything.
      if (result.reason?.code === 'plan-stale') deployed.delete(target ?? '');
      if (done) {
        records.setStep(stepId, result.outcome === 'succeeded' ? 'succeeded' : 'failed');
      }
      return result;
    });
  };

  /** The end of a matrix is the interpreter's to record. */
  const settleOfCourse = (input: ExecuteStepInput, result: StepResult): void => {
    const { stepId, type, target, member } = input;
    const { outcome, reason } = result;
    if (isDeployment(type)) records.journal.push(`deploy ${target} ${outcome}`);
    if (reason?.code === 'plan-stale') deployed.delete(target ?? '');
    if (member !== undefined) records.members.set(`${stepId}/${member.key}`, outcome);
    else records.settleStep(stepId, outcome === 'succeeded' ? 'succeeded' : 'failed', reason);
  };

  const activities: PromotionActivities = {
    ...createCourseActivities(settings, records),
    ...createRolloutActivities(settings, records),
    freezeRules: async ({ promotion }) => {
      if (rules.form !== undefined && rules.kind === 'promote') lease.enter(holderOf(promotion));
      for (const { id } of rules.pipeline.steps) {
        if (!records.stepStates.has(id)) records.stepStates.set(id, 'pending');
      }
      if (rules.begun === true && records.promotionState === 'requested') {
        records.setPromotion('running');
      }
      return rules;
    },
    executeStep: runStep,
    takeLease: async ({ promotion, preempt, resource }) => {
      const of = records.leaseOf(resource);
      return preempt === true ? of.preempt(holderOf(promotion)) : of.take(holderOf(promotion));
    },
    yieldLease: async ({ promotion }) => lease.yield(holderOf(promotion)),
    releaseLease: async ({ promotion, resource }) =>
      records.leaseOf(resource).release(holderOf(promotion)),
    checkPlans: async ({ planDigest }) => ({
      stale: records.isStale(planDigest) ? [...rules.targets] : [],
    }),
    reopenSteps: async ({ stepIds }) => {
      // As the real one: an attempt that was given up and comes late sends nothing back.
      const call = findOwnCall();
      if (call !== undefined && reopened.has(call)) return;
      if (call !== undefined) reopened.add(call);
      for (const id of stepIds) records.setStep(id, 'pending');
    },
    openApproval: async ({ deadline, ...round }) => {
      if (!approvals.open(round, deadline)) return { votes: approvals.votesOf(round.round) };
      records.setStep(round.stepId, 'waiting');
      records.setPromotion('waiting');
      return { votes: [] };
    },
    recordApproval: async ({ ballot, decidedAt: _at, ...round }) => approvals.record(round, ballot),
    closeApproval: async ({ state, reason, ...round }) => {
      approvals.close(round, state);
      records.setStep(round.stepId, stepAfterApproval(state, reason?.code));
      records.setPromotion('running');
    },
    recordPromotion: async ({ state }) => records.setPromotion(state),
    recordStep: async ({ stepId, state }) => records.setStep(stepId, state),
    listDeployments: async () => [...deployed].sort(),
    revertTarget: ({ target }) =>
      records.once(`revert/${target}`, async () => {
        const result = (await settings.revert?.(target)) ?? succeeded(`revert/${target}`);
        records.journal.push(`revert ${target} ${result.outcome}`);
        return result;
      }),
    sealPromotion: async ({ promotion, targetsSettled, stepsSettled, ...asked }) => {
      const by = lease.superseded.get(holderOf(promotion));
      if (stepsSettled === false && asked.state !== 'succeeded' && by === undefined) {
        const begun = rules.form === 3 ? await activities.listBegunSteps({ promotion }) : [];
        const undone = (rules.pipeline.steps as readonly { id: string; compensate?: true }[])
          .filter(({ compensate }) => compensate === true)
          .map(({ id }) => id);
        if (begun.some(({ stepId }) => undone.includes(stepId))) {
          return { packetDigest: '', revertFirst: true, undoFirst: true };
        }
      }
      // Like the real one: what a run before a reset has deployed is put back before anything is sealed.
      const isUnhappyPromote = asked.state !== 'succeeded' && rules.kind !== 'rollback';
      if (targetsSettled === false && isUnhappyPromote && by === undefined && deployed.size > 0) {
        return { packetDigest: '', revertFirst: true };
      }
      const ended =
        by !== undefined && asked.state === 'succeeded'
          ? { state: 'cancelled' as const, reason: { code: 'superseded', message: `by ${by}` } }
          : undefined;
      const { state, reason } = ended ?? asked;
      records.seal(state, reason?.code ?? null);
      const packetDigest = digestOf({ state, code: reason?.code ?? null });
      return ended === undefined ? { packetDigest } : { packetDigest, ended };
    },
    ...settings.override,
  };
  return { activities, records };
}

/** The real holder string. */
export function holderOf({ promotionId }: PromotionRef): string {
  return `promotion:${promotionId}`;
}

/** A step whose plan went stale is asked again. */
function stepAfterApproval(state: ApprovalState, code: string | undefined): StepState {
  if (state === 'approved') return 'succeeded';
  if (state === 'withdrawn') return code === 'plan-stale' ? 'pending' : 'cancelled';
  return 'failed';
}

/** The call that this is an attempt of; undefined in an engine that has no attempts. */
function findOwnCall(): string | undefined {
  try {
    const { activityId, workflowExecution } = Context.current().info;
    return `${workflowExecution?.runId}/${activityId}`;
  } catch {
    return undefined;
  }
}
