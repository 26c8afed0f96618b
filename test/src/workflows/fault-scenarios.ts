import { randomUUID } from 'node:crypto';
import type { PromotionEndState } from '@sluice/domain';
import { DEFAULT_DEADLINES } from '@sluice/domain';
import { PROMOTION_MESSAGES } from '@sluice/temporal-contract';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { courseOfPeople, coursePutBack, rolloutPutBack } from './course-fault-settings.ts';
import type { FakeSettings, PromotionActivities } from './fake-activities.ts';
import { createFakeActivities, holderOf, succeeded, unsuccessful } from './fake-activities.ts';
import type { FakeRecords } from './fake-records.ts';
import { composeApprovedRules, composeRollbackRules, composeRules } from './fake-rules.ts';
import type { FaultStage } from './fault-stage.ts';
import type { PlayedPromotion } from './promotion-stage.ts';
import { ballotFor, decide, startSettlement } from './promotion-stage.ts';
import { releaseScenarios } from './release-scenarios.ts';
import { shardScenario } from './shard-scenarios.ts';
import { until } from './waiting.ts';
import { watchScenario } from './watch-scenarios.ts';
import { startPromotion } from './workflow-environment.ts';

/** One run of a scenario. */
export interface ScenarioRun {
  readonly handle: WorkflowHandle;
  /** What it came to; plays its people meanwhile. */
  result(): Promise<{ readonly state: string }>;
  /** Its cancellation, in the way that its users have; absent: it cannot be cancelled. */
  readonly cancel?: () => Promise<unknown>;
  /** What is compared with a run without faults. */
  endState(): unknown;
  /** What must not be, whatever its end: an effect twice, something not given back, another end than was recorded. */
  findViolations(result: { readonly state: string }): readonly string[];
}

/** Wraps the activities of one run. */
export type WrapActivities = <T extends object>(activities: T) => T;

/** One way that a workflow type can go. */
export interface FaultScenario {
  /** As `workflows/src/index.ts` exports it. */
  readonly workflow: string;
  readonly name: string;
  readonly state: string;
  /** End states of a run that was cancelled, or that met its deadline, at any moment. */
  readonly interrupted: readonly string[];
  /** Seconds after which the run's own deadline ends it in `start`'s last case; absent: nothing it waits for has one. */
  readonly deadlineSeconds?: number;
  /** @param hasDeadline the run gets the scenario's short deadline */
  start(stage: FaultStage, wrap: WrapActivities, hasDeadline?: boolean): Promise<ScenarioRun>;
}

/** Dozens of runs at once on a busy machine take their time. */
export const PATIENCE_SECONDS = 240;

interface PromotionStory {
  readonly name: string;
  readonly state: PromotionEndState;
  readonly settings: FakeSettings;
  /** What people do while it runs. */
  readonly meanwhile?: (promotion: PlayedPromotion, isOver: () => boolean) => Promise<unknown>;
}

const deadlines = { ...DEFAULT_DEADLINES, queueSeconds: 60 };
const rules = composeRules({ deadlines });
const approved = composeApprovedRules({}, { deadlines });

/** Says yes to the plan of a round; the id is the same in every run of the story. */
async function approve(
  promotion: PlayedPromotion,
  isOver: () => boolean,
  round: number,
): Promise<void> {
  const { requests } = promotion.records.approvals;
  await until(() => isOver() || requests.get(round)?.state === 'waiting', PATIENCE_SECONDS);
  if (isOver()) return;
  // It may have been cancelled in the same moment; then nobody is asked any more.
  await decide(promotion, ballotFor(promotion, { approvalId: `otto/${round}` })).catch(
    () => undefined,
  );
}

const PROMOTION_STORIES: readonly PromotionStory[] = [
  { name: 'succeeds', state: 'succeeded', settings: { rules } },
  {
    name: 'is denied',
    state: 'denied',
    settings: { rules, steps: { gate: async () => unsuccessful('denied', 'secret-in-image') } },
  },
  {
    name: 'is reverted',
    state: 'reverted',
    settings: { rules, steps: { verify: async () => unsuccessful('failed', 'unhealthy') } },
  },
  {
    name: 'is approved',
    state: 'succeeded',
    settings: { rules: approved },
    meanwhile: (promotion, isOver) => approve(promotion, isOver, 1),
  },
  {
    name: 'is planned, approved and refused twice',
    state: 'succeeded',
    settings: {
      rules: approved,
      steps: {
        deploy: async ({ target = '', round }) =>
          round === undefined ? unsuccessful('failed', 'plan-stale') : succeeded(target),
      },
    },
    meanwhile: async (promotion, isOver) => {
      await approve(promotion, isOver, 1);
      await approve(promotion, isOver, 2);
    },
  },
  {
    name: 'is a rollback',
    state: 'succeeded',
    settings: { rules: composeRollbackRules({ deadlines }) },
  },
  {
    name: 'is a course that is put back',
    state: 'reverted',
    settings: coursePutBack({ deadlines }),
  },
  {
    name: 'is a rollout that is put back',
    state: 'reverted',
    settings: rolloutPutBack({ deadlines }),
  },
  {
    name: 'is a course of people and members',
    state: 'succeeded',
    settings: courseOfPeople({ deadlines, approval: approved.approval ?? null }),
    meanwhile: (promotion, isOver) => approve(promotion, isOver, 1),
  },
];

/** Seconds. Enough for some of its steps, so that each of them is interrupted in some run. */
const SHORT_DEADLINE = 3;

const promotionScenarios: readonly FaultScenario[] = PROMOTION_STORIES.map(
  ({ name, state, settings, meanwhile }) => ({
    workflow: 'promoteRelease',
    name: `a promotion that ${name}`,
    state,
    interrupted: ['cancelled', 'failed', 'reverted', state],
    deadlineSeconds: SHORT_DEADLINE,
    start: async (stage, wrap, hasDeadline = false) => {
      const changed = hasDeadline
        ? { ...settings.rules.deadlines, promotionSeconds: SHORT_DEADLINE }
        : settings.rules.deadlines;
      const promotion = await startOn(
        stage,
        { ...settings, rules: { ...settings.rules, deadlines: changed } },
        wrap,
      );
      let isOver = false;
      return {
        ...judged(promotion, promotion.handle, settings.rules.kind === 'rollback'),
        result: async () => {
          const people = meanwhile?.(promotion, () => isOver);
          const result = await promotion.result();
          isOver = true;
          await people;
          return result;
        },
        cancel: () =>
          promotion.handle.signal(PROMOTION_MESSAGES.cancelPromotion, {
            requestedBy: 'principal:mia',
            reason: 'a test',
          }),
      };
    },
  }),
);

const ABANDONED = { code: 'promotion-abandoned', message: 'Its workflow was terminated.' };

/** Terminates a promotion in its verification; faults begin with its settlement. */
const settlementScenario: FaultScenario = {
  workflow: 'settlePromotion',
  name: 'a settlement that reverts',
  state: 'reverted',
  interrupted: ['reverted'],
  start: async (stage, wrap) => {
    let isSettling = false;
    let isVerifying = false;
    const verify = async (): Promise<never> => {
      isVerifying = true;
      throw new Error('not yet');
    };
    const promotion = await startOn(stage, { rules, steps: { verify } }, (plain) => {
      const given = wrap(plain) as Record<string, (input: unknown) => unknown>;
      const before = plain as Record<string, (input: unknown) => unknown>;
      return Object.fromEntries(
        Object.keys(plain).map((name) => [
          name,
          async (input: unknown) => (isSettling ? given[name] : before[name])?.(input),
        ]),
      ) as typeof plain;
    });
    await until(() => isVerifying, PATIENCE_SECONDS);
    await promotion.handle.terminate('a test');
    isSettling = true;
    const handle = await startSettlement(stage.client, promotion.input, ABANDONED);
    return {
      ...judged(promotion, handle, false),
      result: async () => (await handle.result()) as { readonly state: string },
      // Nothing else would end such a promotion: the engine's cancellation changes nothing.
      cancel: () => handle.cancel(),
    };
  },
};

/** Starts a promotion with fakes of its own. */
async function startOn(
  { client, promotions, startOptions }: FaultStage,
  settings: FakeSettings,
  wrap: WrapActivities,
): Promise<PlayedPromotion> {
  const { activities, records } = createFakeActivities(settings);
  const environment = `env-${randomUUID().slice(0, 13)}`;
  promotions.set(environment, wrap<PromotionActivities>(activities));
  const { releaseDigest, kind = 'promote' } = settings.rules;
  const { handle, input } = await startPromotion(
    client as Client,
    releaseDigest,
    environment,
    kind,
    startOptions,
  );
  return {
    handle,
    input,
    records,
    holder: holderOf(input.promotion),
    resource: `environment:${environment}`,
    result: async () => (await handle.result()) as Awaited<ReturnType<PlayedPromotion['result']>>,
  };
}

function judged(
  { records }: PlayedPromotion,
  handle: WorkflowHandle,
  isRollback: boolean,
): Pick<ScenarioRun, 'handle' | 'endState' | 'findViolations'> {
  return {
    handle,
    endState: () => records.endState(),
    findViolations: ({ state }) => [
      ...findUnended(records, state),
      ...findWrongEffects(records, state, isRollback),
    ],
  };
}

function findUnended({ sealed, seals, lease, stepStates }: FakeRecords, state: string): string[] {
  const open = [...stepStates].filter(([, step]) =>
    ['pending', 'running', 'waiting'].includes(step),
  );
  return [
    ...(sealed?.state === state ? [] : [`it ended ${state} and was sealed as ${sealed?.state}`]),
    ...(seals.size === 1 ? [] : [`sealed as ${[...seals].join(' and as ')}`]),
    ...(lease.holder === undefined ? [] : ['the lease was not given back']),
    ...(lease.queue.length === 0 ? [] : ['it still has a place in the queue']),
    ...open.map(([id, step]) => `step ${id} is ${step} after the end`),
  ];
}

/** What was deployed stays only after a success, or after a rollback, which is never put back. */
function findWrongEffects({ journal }: FakeRecords, state: string, isRollback: boolean): string[] {
  const twice = journal.filter((line, index) => journal.indexOf(line) !== index);
  const deployed = journal.filter((line) => /^deploy .* succeeded$/.test(line));
  const left =
    state === 'succeeded' || isRollback
      ? []
      : deployed.filter((line) => !journal.includes(line.replace('deploy', 'revert')));
  const undone = journal.filter((line) => line.startsWith('revert'));
  return [
    ...twice.map((line) => `twice: ${line}`),
    ...left.map((line) => `not put back: ${line}`),
    ...(state === 'succeeded' && undone.length > 0
      ? [`it succeeded and ${undone.join(', ')}`]
      : []),
  ];
}

/** Every scenario there is; a workflow type without one fails `workflow-faults.spec.ts`. */
export const FAULT_SCENARIOS: readonly FaultScenario[] = [
  ...promotionScenarios,
  settlementScenario,
  shardScenario,
  ...releaseScenarios,
  watchScenario,
];
