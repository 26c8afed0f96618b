import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { getTool } from '@sluice/infra';
import { PROMOTION_MESSAGES, type PromotionStatus, TASK_QUEUES } from '@sluice/temporal-contract';
import { type DevServer, startDevServer } from '@sluice/temporal-server';
import type { WorkflowHandle } from '@temporalio/client';
import { composeApprovedRules, composeRules } from '../src/workflows/fake-rules.ts';
import {
  ballotFor,
  createPromotionStage,
  decide,
  type PlayedPromotion,
  type PromotionStage,
  untilAsked,
} from '../src/workflows/promotion-stage.ts';
import { buildVariants, type WorkflowVariant } from '../src/workflows/variants.ts';
import { pause, until } from '../src/workflows/waiting.ts';
import { listBuilds, type RunningBuild, startBuild } from '../src/workflows/worker-builds.ts';
import {
  openWorkflowEnvironment,
  type WorkflowEnvironment,
} from '../src/workflows/workflow-environment.ts';
import { DeploymentCommands } from '../support/worker-deployment.ts';

const DEPLOYMENT = 'sluice';

/** The engine's number of WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR. */
const NONDETERMINISTIC = 24;

/** Seconds in place of the minutes after which the engine looks whether a version is drained. */
const QUICK_DRAINAGE = {
  'matching.wv.VersionDrainageStatusVisibilityGracePeriod': '1s',
  'matching.wv.VersionDrainageStatusRefreshInterval': '1s',
};

/** What a month of waiting is here. Seconds; about as long as the upgrades take. */
const A_MONTH = 45;

/** A change of a text, as most upgrades have it. */
const OTHER_TEXT = {
  file: 'approval-wait.ts',
  from: 'Ask them, then promote again.',
  to: 'Ask them early, then promote again.',
};

/** A change that no recorded history would survive: a promotion is shown as running twice. */
const before = '      assertPipeline(rules.pipeline);\n';
const unguarded = {
  file: 'promote-release.workflow.ts',
  from: before,
  to: `${before}      await run.enterState('running');\n`,
};

/** The same, only for runs that begin with it. */
const guarded = [
  {
    ...unguarded,
    to: `${before}      if (patched('running-twice')) await run.enterState('running');\n`,
  },
  {
    file: 'promote-release.workflow.ts',
    from: '  defineSignal,\n  setHandler,',
    to: '  defineSignal,\n  patched,\n  setHandler,',
  },
];

let folder: string;
let server: DevServer;
let env: WorkflowEnvironment;
let stage: PromotionStage;
/** Of every promotion of the stage. */
let activities: object;
let today: WorkflowVariant;
let compatible: WorkflowVariant;
let incompatible: WorkflowVariant;
let guardedBuild: WorkflowVariant;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-upgrade-'));
  server = await startDevServer({
    executable: (await getTool('temporal')).path,
    logFile: join(folder, 'temporal.log'),
    uiPort: false,
    dynamicConfig: QUICK_DRAINAGE,
  });
  ({
    today,
    compatible,
    incompatible,
    guarded: guardedBuild,
  } = await buildVariants({
    today: [],
    compatible: [OTHER_TEXT],
    incompatible: [OTHER_TEXT, unguarded],
    guarded: [OTHER_TEXT, ...guarded],
  }));
  env = await openWorkflowEnvironment(today, server.address);
  // Workers come and go here: the stage only starts promotions and knows their activities.
  stage = createPromotionStage({
    ...env,
    withWorkers: (routed, work) => {
      activities = routed;
      return work();
    },
  });
}, 300_000);

afterAll(async () => {
  await stage?.close();
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

function requestApproved(): Promise<PlayedPromotion> {
  return stage.start({ rules: composeApprovedRules() });
}

function statusOf({ handle }: PlayedPromotion): Promise<PromotionStatus> {
  return handle.query<PromotionStatus>(PROMOTION_MESSAGES.promotionStatus);
}

/** Says yes, and gives the end that comes of it. */
async function approve(promotion: PlayedPromotion): Promise<unknown> {
  await decide(promotion, ballotFor(promotion));
  return { result: await promotion.result(), end: promotion.records.endState() };
}

const APPROVED_END = {
  result: { state: 'succeeded', reason: null },
  end: {
    promotion: 'succeeded',
    // Each effect was done once, whatever was replayed meanwhile.
    journal: ['deploy host-1 succeeded', 'deploy host-2 succeeded'],
    approvals: { requests: ['1 approved'] },
    leaseHolder: undefined,
    queue: [],
  },
};

describe('embedded: one worker, the newest code takes every run', () => {
  let build: RunningBuild;
  let waiting: PlayedPromotion;
  /** Waits until nobody is asked any more: its month runs out somewhere between the upgrades. */
  let lapsing: PlayedPromotion;

  afterAll(() => build?.stop());

  async function upgrade(to: WorkflowVariant): Promise<void> {
    await build?.stop();
    build = await startBuild(env, to, activities);
  }

  /** Wakes the run, which has the build replay it. */
  async function wake(): Promise<void> {
    const { resource } = waiting;
    await waiting.handle.signal(PROMOTION_MESSAGES.targetsChanged, { resource });
  }

  test('a promotion that waits for approval outlives a compatible upgrade', async () => {
    await upgrade(today);
    waiting = await requestApproved();
    lapsing = await stage.start({ rules: composeApprovedRules({ deadlineSeconds: A_MONTH }) });
    await untilAsked(waiting);
    await untilAsked(lapsing);
    await upgrade(compatible);
    await wake();
    await until(async () => (await listBuilds(waiting.handle)).includes(compatible.buildId), 60);
    expect(await statusOf(waiting)).toMatchObject({ state: 'waiting' });
    expect(await listBuilds(waiting.handle)).toEqual([today.buildId, compatible.buildId]);
  }, 120_000);

  test('an incompatible one is seen as nondeterminism, and harms nothing', async () => {
    await upgrade(incompatible);
    await wake();
    await until(async () => (await failingTask(waiting.handle)) !== undefined, 90);
    expect(await failingTask(waiting.handle)).toEqual({
      cause: NONDETERMINISTIC,
      message: expect.stringMatching(/nondetermini/i),
    });
    expect((await waiting.handle.describe()).status.name).toBe('RUNNING');
    await until(async () => (await reportedProblems(waiting.handle)).length > 0, 90);
    expect(await reportedProblems(waiting.handle)).toContain(
      'cause=WorkflowTaskFailedCauseNonDeterministicError',
    );
    expect(waiting.records.promotionState).toBe('waiting');
  }, 240_000);

  test('the build from before brings it back', async () => {
    await upgrade(compatible);
    await until(async () => (await reportedProblems(waiting.handle)).length === 0, 90);
    expect(await statusOf(waiting)).toMatchObject({ state: 'waiting' });
  }, 120_000);

  test('the same change behind `patched` goes on with it to the end', async () => {
    await upgrade(guardedBuild);
    expect(await approve(waiting)).toMatchObject(APPROVED_END);
    const builds = await listBuilds(waiting.handle);
    expect(builds.at(-1)).toBe(guardedBuild.buildId);
    expect(builds).not.toContain(incompatible.buildId);
    expect(await patchesOf(waiting.handle)).toEqual([]);
  }, 120_000);

  test('one that nobody answers ends by its deadline, whichever build ran when it was over', async () => {
    expect(await lapsing.result()).toMatchObject({
      state: 'denied',
      reason: { code: 'approval-deadline-exceeded' },
    });
    const builds = await listBuilds(lapsing.handle);
    expect(builds[0]).toBe(today.buildId);
    expect(builds).not.toContain(incompatible.buildId);
  }, 120_000);

  test('what begins with it has the change', async () => {
    const fresh = await stage.start({ rules: composeRules() });
    expect(await fresh.result()).toMatchObject({ state: 'succeeded' });
    expect(await patchesOf(fresh.handle)).toEqual(['running-twice']);
  }, 120_000);
});

describe('an estate: each build is a version, runs stay with the one that began them', () => {
  const builds: RunningBuild[] = [];
  let commands: DeploymentCommands;
  let pinned: PlayedPromotion;

  beforeAll(() => {
    commands = new DeploymentCommands(server.address, env.namespace, DEPLOYMENT);
  });

  afterAll(async () => {
    await Promise.all(builds.map((build) => build.stop()));
  }, 60_000);

  /** Runs a build's workers beside the others', and waits until the engine knows all of their queues. */
  async function addVersion(variant: WorkflowVariant): Promise<void> {
    builds.push(await startBuild(env, variant, activities, DEPLOYMENT));
    await until(async () => {
      const { taskQueuesInfos = [] } = await commands
        .describeVersion(variant.buildId)
        .catch(() => ({ taskQueuesInfos: [] }));
      // A queue of activities for each capability, and one of workflows.
      return taskQueuesInfos.length === Object.keys(TASK_QUEUES).length + 1;
    }, 90);
  }

  /** Runs promotions to their ends and gives the build of each. */
  async function buildsOfNew(count: number): Promise<readonly string[]> {
    const begun = await Promise.all(
      Array.from({ length: count }, () => stage.start({ rules: composeRules() })),
    );
    const ends = await Promise.all(begun.map((promotion) => promotion.result()));
    expect(ends.map(({ state }) => state)).toEqual(begun.map(() => 'succeeded'));
    const used = await Promise.all(begun.map(({ handle }) => listBuilds(handle)));
    // None changed its version on the way.
    expect(used.map(({ length }) => length)).toEqual(begun.map(() => 1));
    return used.flat();
  }

  function drainageOf(variant: WorkflowVariant): Promise<string | undefined> {
    return commands
      .describeVersion(variant.buildId)
      .then(({ drainageInfo }) => drainageInfo?.drainageStatus);
  }

  test('the first version is made current: until then nothing begins, and what was unversioned comes with it', async () => {
    const embedded = await startBuild(env, compatible, activities);
    const older = await requestApproved();
    await untilAsked(older);
    await embedded.stop();
    await addVersion(today);
    pinned = await requestApproved();
    await pause(2000);
    expect(await listBuilds(pinned.handle)).toEqual([]);
    await commands.setCurrent(today.buildId);
    await untilAsked(pinned);
    expect(await listBuilds(pinned.handle)).toEqual([today.buildId]);
    expect(await approve(older)).toMatchObject(APPROVED_END);
    expect(await listBuilds(older.handle)).toEqual([compatible.buildId, today.buildId]);
  }, 240_000);

  test('a ramping version gets its share of what begins', async () => {
    await addVersion(incompatible);
    await commands.setRamping(incompatible.buildId, 50);
    expect((await commands.describe()).routingConfig).toMatchObject({
      currentVersionBuildID: today.buildId,
      rampingVersionBuildID: incompatible.buildId,
      rampingVersionPercentage: 50,
    });
    const used = await buildsOfNew(16);
    expect(new Set(used)).toEqual(new Set([today.buildId, incompatible.buildId]));
  }, 240_000);

  test('made current it gets all; the first one drains, but its promotion stays', async () => {
    await commands.setCurrent(incompatible.buildId);
    expect(new Set(await buildsOfNew(3))).toEqual(new Set([incompatible.buildId]));
    expect(await drainageOf(today)).toBe('draining');
    expect(await statusOf(pinned)).toMatchObject({ state: 'waiting' });
  }, 240_000);

  test('after a second upgrade, too, it goes on where it began, and then its version is drained', async () => {
    await addVersion(guardedBuild);
    await commands.setCurrent(guardedBuild.buildId);
    expect(new Set(await buildsOfNew(1))).toEqual(new Set([guardedBuild.buildId]));
    expect(await approve(pinned)).toMatchObject(APPROVED_END);
    expect(await listBuilds(pinned.handle)).toEqual([today.buildId]);
    await until(async () => (await drainageOf(today)) === 'drained', 90);
  }, 240_000);

  test('the way back is one command: what begins next runs on the first version again', async () => {
    const onNewest = await requestApproved();
    await untilAsked(onNewest);
    await commands.setCurrent(today.buildId);
    expect(new Set(await buildsOfNew(3))).toEqual(new Set([today.buildId]));
    expect(await approve(onNewest)).toMatchObject(APPROVED_END);
    expect(await listBuilds(onNewest.handle)).toEqual([guardedBuild.buildId]);
  }, 240_000);
});

/** The last failure of a run's tasks while it cannot go on. */
async function failingTask(
  handle: WorkflowHandle,
): Promise<{ readonly cause: number; readonly message: string } | undefined> {
  const { events } = await handle.fetchHistory();
  const failed = (events ?? [])
    .map(({ workflowTaskFailedEventAttributes }) => workflowTaskFailedEventAttributes)
    .findLast((attributes) => attributes != null);
  if (failed == null) return undefined;
  return { cause: Number(failed.cause), message: failed.failure?.message ?? '' };
}

/** What the engine itself says that keeps a run from going on. */
async function reportedProblems(handle: WorkflowHandle): Promise<readonly string[]> {
  const { searchAttributes } = await handle.describe();
  return (searchAttributes['TemporalReportedProblems'] ?? []) as string[];
}

/** Ids of the patches that a run's history holds. */
async function patchesOf(handle: WorkflowHandle): Promise<readonly string[]> {
  const { events } = await handle.fetchHistory();
  return (events ?? []).flatMap(({ markerRecordedEventAttributes: marker }) => {
    const data = marker?.details?.['patch-data']?.payloads?.[0]?.data;
    if (data == null) return [];
    return [(JSON.parse(Buffer.from(data).toString()) as { id: string }).id];
  });
}
