import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type {
  CancelPromotionSignal,
  FrozenRules,
  PromotionResult,
  PromotionStatus,
  StepResult,
} from '@sluice/temporal-contract';
import { environmentLease } from '@sluice/temporal-contract';
import { Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { bundleSources } from '../../test/src/workflows/bundle-workflows.ts';
import type { FakeSettings } from '../../test/src/workflows/fake-activities.ts';
import { succeeded, unsuccessful } from '../../test/src/workflows/fake-activities.ts';
import { FakeRecords } from '../../test/src/workflows/fake-records.ts';
import { composeRules } from '../../test/src/workflows/fake-rules.ts';
import type { PlayedPromotion, PromotionStage } from '../../test/src/workflows/promotion-stage.ts';
import { createPromotionStage } from '../../test/src/workflows/promotion-stage.ts';
import { createPoint, until } from '../../test/src/workflows/waiting.ts';
import { openWorkflowEnvironment } from '../../test/src/workflows/workflow-environment.ts';

let stage: PromotionStage;
/** Cancelled before a worker was there, by the way in which they were. */
const unbegun = new Map<string, PlayedPromotion>();

beforeAll(async () => {
  const served = createPoint();
  const env = await openWorkflowEnvironment(await bundleSources());
  stage = createPromotionStage(env, served.reached);
  for (const [way, cancel] of WAYS) {
    const promotion = await stage.start({ rules: composeRules() });
    await cancel(promotion.handle);
    unbegun.set(way, promotion);
  }
  served.reach();
});
afterAll(() => stage.close());

type Cancel = (handle: WorkflowHandle) => Promise<unknown>;

const WAYS: readonly (readonly [string, Cancel])[] = [
  [
    'signal',
    (handle) => {
      const fact: CancelPromotionSignal = { requestedBy: 'principal:mia', reason: 'wrong release' };
      return handle.signal('cancelPromotion', fact);
    },
  ],
  ['engine', (handle) => handle.cancel()],
];

/** Runs until the worker tells the activity that it was cancelled. */
async function hang(reach: () => void, seen?: () => Promise<void>): Promise<never> {
  const context = Context.current();
  const timer = setInterval(() => context.heartbeat(), 100);
  reach();
  try {
    return await context.cancelled;
  } catch (error) {
    await seen?.();
    throw error;
  } finally {
    clearInterval(timer);
  }
}

async function promoteAndCancel(
  settings: Omit<FakeSettings, 'rules'>,
  reached: Promise<void>,
  cancel: Cancel,
  rules: FrozenRules = composeRules(),
): Promise<{ result: PromotionResult; records: FakeRecords; status: PromotionStatus }> {
  const promotion = await stage.start({ ...settings, rules });
  const { handle, records } = promotion;
  await reached;
  await cancel(handle);
  const result = await promotion.result();
  return { result, records, status: await handle.query<PromotionStatus>('promotionStatus') };
}

const cancelled = { state: 'cancelled', reason: { code: 'promotion-cancelled' } };

describe.each(WAYS)('cancelled by %s', (way, cancel) => {
  test('before its first workflow task', async () => {
    const promotion = unbegun.get(way) as PlayedPromotion;
    expect(await promotion.result()).toMatchObject(cancelled);
    expect(promotion.records.endState()).toMatchObject({
      sealed: { state: 'cancelled' },
      journal: [],
    });
  });

  test('while its rules are frozen', async () => {
    const { reached, reach } = createPoint();
    const { result, records } = await promoteAndCancel(
      { override: { freezeRules: () => hang(reach) } },
      reached,
      cancel,
    );
    expect(result).toMatchObject(cancelled);
    expect(records.sealed?.state).toBe('cancelled');
  });

  test('in a scan: it is waited for until the scanner has ended', async () => {
    const { reached, reach } = createPoint();
    let ended = false;
    let endedFirst = true;
    const { result } = await promoteAndCancel(
      {
        steps: {
          scan: () =>
            hang(reach, async () => {
              await new Promise((resolve) => setTimeout(resolve, 500));
              ended = true;
            }),
        },
        override: {
          // The interpreter's first call after the step: it must not come before the scanner's end.
          recordStep: async () => {
            endedFirst &&= ended;
          },
        },
      },
      reached,
      cancel,
    );
    expect(result).toMatchObject(cancelled);
    expect({ ended, endedFirst }).toEqual({ ended: true, endedFirst: true });
  });

  // The engine itself then ends the activity, with a note of its own that no codec has written.
  test('between two attempts of a scan', async () => {
    const { reached, reach } = createPoint();
    const { result, records } = await promoteAndCancel(
      {
        steps: {
          scan: async () => {
            setTimeout(reach, 200);
            throw ApplicationFailure.create({
              message: 'away',
              type: 'Unavailable',
              nextRetryDelay: '2 minutes',
            });
          },
        },
      },
      reached,
      cancel,
    );
    expect(result).toMatchObject(cancelled);
    expect(records.endState()).toMatchObject({ steps: { scan: 'cancelled', gate: 'skipped' } });
  });

  test('in a gate', async () => {
    const { reached, reach } = createPoint();
    const { result, records, status } = await promoteAndCancel(
      { steps: { gate: () => hang(reach) } },
      reached,
      cancel,
    );
    expect(result).toMatchObject(cancelled);
    expect(records.endState()).toMatchObject({
      promotion: 'cancelled',
      steps: { scan: 'succeeded', gate: 'cancelled', deploy: 'skipped', verify: 'skipped' },
      journal: [],
    });
    expect(status.state).toBe('cancelled');
  });

  test('in its planning', async () => {
    const { reached, reach } = createPoint();
    const { result, records } = await promoteAndCancel(
      { steps: { plan: () => hang(reach) } },
      reached,
      cancel,
    );
    expect(result).toMatchObject(cancelled);
    expect(records.endState()).toMatchObject({
      steps: { gate: 'succeeded', plan: 'cancelled', deploy: 'skipped' },
      journal: [],
      leaseHolder: undefined,
      queue: [],
    });
  });

  test('while its plans are looked at again: the lease is given back', async () => {
    const { reached, reach } = createPoint();
    const { result, records } = await promoteAndCancel(
      {
        override: {
          checkPlans: async () => {
            reach();
            await new Promise((resolve) => setTimeout(resolve, 500));
            return { stale: ['host-1'] };
          },
        },
      },
      reached,
      cancel,
    );
    expect(result).toMatchObject(cancelled);
    expect(records.endState()).toMatchObject({
      steps: { deploy: 'cancelled', verify: 'skipped' },
      journal: [],
      leaseHolder: undefined,
      queue: [],
    });
  });

  test('while steps are sent back to planning: it is not planned again', async () => {
    const { reached, reach } = createPoint();
    const { result, records } = await promoteAndCancel(
      {
        override: {
          checkPlans: async () => ({ stale: ['host-1'] }),
          reopenSteps: async () => {
            reach();
            await new Promise((resolve) => setTimeout(resolve, 500));
          },
        },
      },
      reached,
      cancel,
    );
    expect(result).toMatchObject(cancelled);
    expect(records.endState()).toMatchObject({ journal: [], leaseHolder: undefined, queue: [] });
  });

  test('in the queue: its place is given back', async () => {
    const { reached, reach } = createPoint();
    let released = 0;
    const { result, records } = await promoteAndCancel(
      {
        override: {
          takeLease: async () => {
            reach();
            return { state: 'queued', position: 1, holder: 'promotion:dev/0' };
          },
          releaseLease: async () => {
            released += 1;
          },
        },
      },
      reached,
      cancel,
    );
    expect(result).toMatchObject(cancelled);
    expect(released).toBe(1);
    expect(records.endState()).toMatchObject({ steps: { deploy: 'cancelled' }, journal: [] });
  });

  test('in a deployment: what was dispatched is reverted, then it is sealed', async () => {
    const { reached, reach } = createPoint();
    const { result, records } = await promoteAndCancel(
      {
        steps: {
          deploy: ({ target }) =>
            target === 'host-2' ? hang(reach) : Promise.resolve(succeeded('host-1')),
        },
      },
      reached,
      cancel,
    );
    expect(result).toMatchObject(cancelled);
    expect(records.endState()).toMatchObject({
      sealed: { state: 'cancelled' },
      steps: { deploy: 'reverted', verify: 'skipped' },
      journal: ['deploy host-1 succeeded', 'revert host-1 succeeded', 'revert host-2 succeeded'],
      leaseHolder: undefined,
    });
  });

  test('in a verification', async () => {
    const { reached, reach } = createPoint();
    const { result, records } = await promoteAndCancel(
      { steps: { verify: () => hang(reach) } },
      reached,
      cancel,
    );
    expect(result).toMatchObject(cancelled);
    expect(records.endState()).toMatchObject({
      steps: { deploy: 'reverted', verify: 'cancelled' },
      leaseHolder: undefined,
    });
  });

  test('while targets are put back: accepted, and the outcome stands', async () => {
    const { reached, reach } = createPoint();
    const { result, records } = await promoteAndCancel(
      {
        steps: { verify: async () => unsuccessful('failed', 'unhealthy') },
        revert: async (): Promise<StepResult> => {
          reach();
          await new Promise((resolve) => setTimeout(resolve, 500));
          return succeeded('back');
        },
      },
      reached,
      cancel,
    );
    expect(result).toMatchObject({ state: 'reverted', reason: { code: 'unhealthy' } });
    expect(records.journal.filter((line) => line.startsWith('revert'))).toHaveLength(2);
  });

  test('while it is sealed: accepted, and the outcome stands', async () => {
    const { reached, reach } = createPoint();
    const { result } = await promoteAndCancel(
      {
        override: {
          sealPromotion: async () => {
            reach();
            await new Promise((resolve) => setTimeout(resolve, 500));
            return { packetDigest: 'sha256:1' };
          },
        },
      },
      reached,
      cancel,
    );
    expect(result).toEqual({ state: 'succeeded', reason: null, packetDigest: 'sha256:1' });
  });
});

test('a cancelled promotion whose target cannot be put back has failed and names it', async () => {
  const { reached, reach } = createPoint();
  const { result } = await promoteAndCancel(
    {
      steps: { verify: () => hang(reach) },
      revert: async () => unsuccessful('failed', 'agent-silent'),
    },
    reached,
    (handle) => handle.cancel(),
    composeRules({ targets: ['host-9'] }),
  );
  expect(result).toMatchObject({ state: 'failed', reason: { code: 'revert-failed' } });
  expect(result.reason?.message).toContain('host-9');
});

test('who cancelled and why is the reason, cut to a bearable length', async () => {
  const { reached, reach } = createPoint();
  const { result } = await promoteAndCancel(
    { steps: { gate: () => hang(reach) } },
    reached,
    (handle) =>
      handle.signal('cancelPromotion', { requestedBy: 'principal:mia', reason: 'x'.repeat(9999) }),
  );
  expect(result.reason?.message).toMatch(/^Cancelled by principal:mia: x+$/);
  expect(result.reason?.message).toHaveLength(500);
});

test('a reason that the cut would end in half a character can still be signed', async () => {
  const { reached, reach } = createPoint();
  const { result, records } = await promoteAndCancel(
    { steps: { gate: () => hang(reach) } },
    reached,
    (handle) =>
      handle.signal('cancelPromotion', { requestedBy: 'm', reason: `${'x'.repeat(483)}\u{1F680}` }),
  );
  expect(result.reason?.message).toMatch(/^Cancelled by m: x+\uFFFD$/);
  expect(records.sealed?.state).toBe('cancelled');
});

/** A promotion whose environment is held by another one. */
function startBehind(queueSeconds: number): Promise<PlayedPromotion> {
  const rules = composeRules({ deadlines: { ...composeRules().deadlines, queueSeconds } });
  const records = new FakeRecords();
  records.lease.take('promotion:other/1');
  return stage.start({ rules, records });
}

describe('the queue', () => {
  test('a waiting promotion is queued and goes on when the signal says that it may', async () => {
    const { queueSeconds } = composeRules().deadlines;
    const { handle, input, records, result } = await startBehind(queueSeconds);
    await until(() => records.promotionState === 'queued');
    expect((await handle.query<PromotionStatus>('promotionStatus')).state).toBe('queued');
    // A signal for something else, and one that is wrong, change nothing: the row decides.
    await handle.signal('leaseGranted', { resource: 'environment:else', fencingToken: 9 });
    const resource = environmentLease(input.environment);
    await handle.signal('leaseGranted', { resource, fencingToken: 9 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(records.promotionState).toBe('queued');
    records.lease.release('promotion:other/1');
    await handle.signal('leaseGranted', { resource, fencingToken: 10 });
    expect(await result()).toMatchObject({ state: 'succeeded' });
    expect(records.changes).toEqual(
      expect.arrayContaining(['promotion running', 'promotion queued', 'promotion succeeded']),
    );
  });

  test('a lost signal is made up for by asking again', async () => {
    const { records, result } = await startBehind(60);
    await until(() => records.promotionState === 'queued');
    records.lease.release('promotion:other/1');
    expect(await result()).toMatchObject({ state: 'succeeded' });
  });

  test('waiting has a deadline that names the holder, and gives the place back', async () => {
    const { records, result: ended } = await startBehind(2);
    const result = await ended();
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'lease-deadline-exceeded' } });
    expect(result.reason?.message).toContain('promotion:other/1');
    expect(records.endState()).toMatchObject({
      steps: { deploy: 'failed', verify: 'skipped' },
      leaseHolder: 'promotion:other/1',
      queue: [],
      journal: [],
    });
  });
});
