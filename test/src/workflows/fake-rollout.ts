import type { RolloutLayout, RolloutStage, RoutePlace } from '@sluice/domain';
import type {
  RolloutActivities,
  RolloutPosition,
  StageVerdict,
  SteerRolloutInput,
  StepResult,
} from '@sluice/temporal-contract';
import type { FakeRecords } from './fake-records.ts';

/** What a test says of its rollouts. */
export interface FakeRolloutSettings {
  /** By step. */
  readonly rollouts?: Readonly<Record<string, RolloutLayout>>;
  /** Passes where absent. @param look counts from 1, of one stage */
  readonly watch?: (stage: number, look: number) => Promise<StageVerdict | 'pass'>;
  /** Succeeds where absent. */
  readonly route?: (place: RoutePlace) => Promise<StepResult | null>;
  /** Awaited before the record of where a rollout stands is answered. */
  readonly onRecord?: (at: RolloutPosition) => Promise<unknown>;
  /** Allows where absent. */
  readonly gate?: (stage: number) => Promise<StepResult | null>;
}

/** A verdict that is not good. */
export function verdict(outcome: 'fail' | 'inconclusive', code: string): StageVerdict {
  const reason = { code, message: `because of ${code}` };
  return { outcome, reason, score: null, analysisDigest: null };
}

/** How a place is called in journals: `prepare-0`, `off-3`. */
export function nameOfPlace(place: RoutePlace): string {
  switch (place.kind) {
    case 'prepare':
    case 'stage':
      return `${place.kind}-${place.stage}`;
    case 'off':
      return `off-${place.exposed}`;
    default:
      return place.kind;
  }
}

const GOOD: StepResult = { outcome: 'succeeded', outputs: {}, reason: null };

/** A layout of stages that nobody watches, with what a test changes. @param reach of each stage, all that are new at its end */
export function layoutOf(
  reach: readonly number[],
  changes: Partial<RolloutLayout> = {},
  ofStage: (index: number) => Partial<RolloutStage> = () => ({}),
): RolloutLayout {
  const { router = null } = changes;
  const last = reach.at(-1) ?? 0;
  return {
    strategy: 'waves',
    stages: reach.map((to, index) => ({
      name: `wave-${index + 1}`,
      from: reach[index - 1] ?? 0,
      to,
      maxParallel: Math.max(1, to - (reach[index - 1] ?? 0)),
      canaryPermille: router === null ? null : Math.floor((1000 * to) / last),
      soakSeconds: 0,
      analyse: false,
      gate: false,
      pause: false,
      ...ofStage(index),
    })),
    router,
    onFail: 'revert',
    onInconclusive: 'pause',
    pauseSeconds: 600,
    ...changes,
  };
}

/** Activities over {@link FakeRecords}: what moves is in the journal, where it stands in `positions`. */
export function createRolloutActivities(
  settings: FakeRolloutSettings,
  records: FakeRecords,
): RolloutActivities {
  const looks = new Map<number, number>();
  const steers = new Set<string>();
  const note = (line: string): void => {
    if (records.positions.at(-1) !== line) records.positions.push(line);
  };
  return {
    recordRollout: async ({ stepId, at, steered }) => {
      if (steered !== undefined && !steers.has(steered.steerId)) {
        steers.add(steered.steerId);
        records.steers.push(`${stepId} ${steered.action}`);
      }
      const code = at.reason === null ? '' : ` ${at.reason.code}`;
      const isPaused = records.promotionState === 'waiting';
      note(`${at.state} ${at.stage} ${at.phase}${code}`);
      if (at.state === 'paused') records.setPromotion('waiting');
      else if (isPaused) records.setPromotion('running');
      await settings.onRecord?.(at);
    },
    routeTraffic: async ({ place, router }) => {
      const name = nameOfPlace(place);
      const result = (await settings.route?.(place)) ?? GOOD;
      const of = router === undefined ? '' : ` ${router}`;
      const line = `route ${name}${of} ${result.outcome}`;
      // Where a table is in force already nothing is sent.
      const inForce = records.journal.findLast((one) => one.startsWith('route '));
      if (inForce !== line) records.journal.push(line);
      return result;
    },
    watchStage: async ({ stage }) => {
      const look = (looks.get(stage) ?? 0) + 1;
      looks.set(stage, look);
      const found = (await settings.watch?.(stage, look)) ?? 'pass';
      if (found !== 'pass') return found;
      return { outcome: 'pass', reason: null, score: null, analysisDigest: null };
    },
    gateStage: async ({ stage }) => (await settings.gate?.(stage)) ?? GOOD,
  };
}

/** What somebody who may do so does to a rollout. */
export function steer(
  action: SteerRolloutInput['action'],
  changes: Partial<SteerRolloutInput> = {},
): SteerRolloutInput {
  return {
    steerId: `mia/${action}-${Math.random().toString(36).slice(2)}`,
    stepId: 'roll',
    action,
    principalId: 'mia',
    personId: 'mia',
    role: 'release-manager',
    reason: 'a test',
    ...changes,
  };
}
