import type { CourseStep, RolloutLayout } from '@sluice/domain';
import { isCourse } from '@sluice/domain';
import type {
  ExecuteStepInput,
  FrozenRules,
  InterpreterActivities,
  ShardActivities,
  StepActivities,
  StepResult,
} from '@sluice/temporal-contract';
import { MAX_MEMBERS_IN_ROOT } from '@sluice/temporal-contract';
import type { FakeRecords } from './fake-records.ts';

/** What only promotions of form 3 call. */
export type CourseActivities = Pick<
  InterpreterActivities & ShardActivities & StepActivities,
  | 'compensateStep'
  | 'recordSteps'
  | 'expandMatrix'
  | 'recordMembers'
  | 'readMembers'
  | 'listBegunSteps'
>;

/** What a test changes about them. */
export interface FakeCourseSettings {
  readonly rules: FrozenRules;
  /** Layouts of rollouts by step. */
  readonly rollouts?: Readonly<Record<string, RolloutLayout>>;
  /** Keys of the members of a step's matrix, by step; all targets where absent. */
  readonly members?: Readonly<Record<string, readonly string[]>>;
  /** Succeeds where absent. */
  readonly compensate?: (input: ExecuteStepInput) => Promise<StepResult>;
}

/** How an execution is named in journals: `build`, `deploy/host-1`, and with its round from the second on. */
export function nameOfExecution({ stepId, member, target, round = 1 }: ExecuteStepInput): string {
  const key = member?.key ?? target;
  const place = round === 1 ? stepId : `${stepId}~${round}`;
  return key === undefined ? place : `${place}/${key}`;
}

/** Activities over {@link FakeRecords}, idempotent like the real ones. */
export function createCourseActivities(
  settings: FakeCourseSettings,
  records: FakeRecords,
): CourseActivities {
  const { rules } = settings;
  const exposedOf = (keys: readonly string[]): number =>
    1 +
    keys.findLastIndex((key) => records.journal.some((line) => line.startsWith(`deploy ${key} `)));
  const stepOf = (id: string): CourseStep | undefined =>
    isCourse(rules.pipeline) ? rules.pipeline.steps.find((step) => step.id === id) : undefined;
  const keysOf = (stepId: string): readonly string[] => settings.members?.[stepId] ?? rules.targets;
  return {
    compensateStep: async (asked) => {
      const input = asked.newestRound === true ? findNewest(asked, records) : asked;
      const name = input === undefined ? undefined : nameOfExecution(input);
      if (input === undefined || name === undefined || !records.begun.includes(name)) {
        return { outcome: 'succeeded', outputs: {}, reason: null, untouched: true };
      }
      return records.once(`undo ${name}`, async () => {
        const plain: StepResult = { outcome: 'succeeded', outputs: {}, reason: null };
        const result = (await settings.compensate?.(input)) ?? plain;
        records.journal.push(`undo ${name} ${result.outcome}`);
        return result;
      });
    },
    recordSteps: async ({ steps }) => {
      for (const { stepId, state, reason } of steps) records.settleStep(stepId, state, reason);
    },
    expandMatrix: async ({ stepId, round = 1, newestRound }) => {
      const over = stepOf(stepId)?.matrix?.over;
      const isOverTargets = over !== undefined && 'targets' in over;
      const known = records.expanded.get(stepId);
      if (newestRound === true && known === undefined) return { count: 0, isOverTargets };
      if (newestRound !== true) records.expanded.set(stepId, Math.max(round, known ?? 1));
      const keys = keysOf(stepId);
      const rollout = settings.rollouts?.[stepId];
      return {
        ...(rollout === undefined ? {} : { rollout, exposed: exposedOf(keys) }),
        count: keys.length,
        isOverTargets,
        ...(newestRound === true ? { round: known ?? 1 } : {}),
        ...(keys.length > MAX_MEMBERS_IN_ROOT ? {} : { keys }),
      };
    },
    listBegunSteps: async () => {
      const begun = new Set(records.begun.map((name) => name.split(/[~/]/)[0]));
      return [...records.stepStates].flatMap(([stepId, state]) =>
        begun.has(stepId) && state !== 'reverted' ? [{ stepId, state }] : [],
      );
    },
    readMembers: async ({ stepId, from, to }) => keysOf(stepId).slice(from, to),
    recordMembers: async ({ stepId, members }) => {
      const keys = keysOf(stepId);
      for (const { index, outcome } of members) {
        const name = `${stepId}/${keys[index]}`;
        // A member's own word stands.
        if (!records.members.has(name)) records.members.set(name, outcome);
      }
    },
  };
}

/** The newest round that it was begun in; undefined where there is none. */
function findNewest(
  { newestRound: _asked, ...input }: ExecuteStepInput,
  { begun }: FakeRecords,
): ExecuteStepInput | undefined {
  const rounds = Array.from({ length: 10 }, (_, at) => ({ ...input, round: 10 - at }));
  return rounds.find((one) => begun.includes(nameOfExecution(one)));
}
