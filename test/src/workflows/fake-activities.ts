import type { PromotionEndState } from '@sluice/domain';
import { isPromotionTransition } from '@sluice/domain';
import { digestOf } from '@sluice/pure';
import type {
  ExecuteStepInput,
  FrozenRules,
  InterpreterActivities,
  LeaseAnswer,
  PromotionRef,
  RevertActivities,
  StepActivities,
  StepResult,
} from '@sluice/temporal-contract';
import { PER_TARGET_STEPS } from '@sluice/temporal-contract';
import { FakeRecords } from './fake-records.ts';

/** All activities of `promoteRelease`. */
export type PromotionActivities = InterpreterActivities & StepActivities & RevertActivities;

/** What one step type does in a test; absent means that it succeeds at once. */
export type FakeStep = (input: ExecuteStepInput) => Promise<StepResult>;

/** What a test changes about the fake control plane. */
export interface FakeSettings {
  readonly rules: FrozenRules;
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
  const deployed = new Set<string>();
  const happy = new Map<string, Set<string>>();

  /** Like the real one: the last target writes the common success, and nobody a failure. */
  const settleTarget = (stepId: string, target = '', { outcome }: StepResult): boolean => {
    const good = happy.get(stepId) ?? new Set<string>();
    happy.set(stepId, good);
    if (outcome === 'succeeded') good.add(target);
    return settings.rules.targets.every((name) => good.has(name));
  };

  const runStep = async (input: ExecuteStepInput): Promise<StepResult> => {
    const { stepId, type, target } = input;
    const perTarget = PER_TARGET_STEPS.has(type);
    if ((records.stepStates.get(stepId) ?? 'pending') === 'pending') {
      records.setStep(stepId, 'running');
    }
    return records.once(`${stepId}/${target ?? ''}`, async () => {
      if (type === 'deploy' && target !== undefined) deployed.add(target);
      const script = settings.steps?.[type];
      const result = await (script?.(input) ?? succeeded(`${stepId}/${target ?? ''}`));
      const done = perTarget ? settleTarget(stepId, target, result) : true;
      if (type === 'deploy') records.journal.push(`deploy ${target} ${result.outcome}`);
      if (done) {
        records.setStep(stepId, result.outcome === 'succeeded' ? 'succeeded' : 'failed');
      }
      return result;
    });
  };

  const activities: PromotionActivities = {
    freezeRules: async () => settings.rules,
    executeStep: runStep,
    takeLease: async ({ promotion }) => takeLease(records, promotion),
    releaseLease: async ({ promotion }) => {
      const holder = holderOf(promotion);
      records.queue = records.queue.filter((waiting) => waiting !== holder);
      if (records.leaseHolder === holder) records.leaseHolder = undefined;
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
    sealPromotion: async ({ state, reason }) => {
      seal(records, state, reason?.code ?? null);
      return { packetDigest: digestOf({ state, code: reason?.code ?? null }) };
    },
    ...settings.override,
  };
  return { activities, records };
}

/** The real holder string. */
export function holderOf({ promotionId }: PromotionRef): string {
  return `promotion:${promotionId}`;
}

function takeLease(records: FakeRecords, promotion: PromotionRef): LeaseAnswer {
  const holder = holderOf(promotion);
  if (records.leaseHolder === undefined || records.leaseHolder === holder) {
    if (records.leaseHolder === undefined) records.fencingToken += 1;
    records.leaseHolder = holder;
    records.queue = records.queue.filter((waiting) => waiting !== holder);
    return { state: 'granted', fencingToken: records.fencingToken };
  }
  if (!records.queue.includes(holder)) records.queue.push(holder);
  const position = records.queue.indexOf(holder) + 1;
  return { state: 'queued', position, holder: records.leaseHolder };
}

function seal(records: FakeRecords, state: PromotionEndState, code: string | null): void {
  if (records.sealed === undefined && !isPromotionTransition(records.promotionState, state)) {
    throw new Error(`seal: ${records.promotionState} → ${state}`);
  }
  records.setPromotion(state);
  records.sealed = { state, code };
}
