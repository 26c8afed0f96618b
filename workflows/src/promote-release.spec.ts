import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Pipeline } from '@sluice/domain';
import { DEFAULT_DEADLINES, PIPELINE_SCHEMA } from '@sluice/domain';
import type { FrozenRules, PromotionResult, PromotionStatus } from '@sluice/temporal-contract';
import { FAILURES, SEARCH_ATTRIBUTES } from '@sluice/temporal-contract';
import { ApplicationFailure } from '@temporalio/common';
import type { FakeSettings } from '../../test/src/workflows/fake-activities.ts';
import { succeeded, unsuccessful } from '../../test/src/workflows/fake-activities.ts';
import type { FakeRecords } from '../../test/src/workflows/fake-records.ts';
import { composeRules } from '../../test/src/workflows/fake-rules.ts';
import type { PromotionStage } from '../../test/src/workflows/promotion-stage.ts';
import { openPromotionStage } from '../../test/src/workflows/promotion-stage.ts';

let stage: PromotionStage;

beforeAll(async () => {
  stage = await openPromotionStage();
});
afterAll(() => stage.close());

/** Promotes to the end over fake activities. */
async function promote(
  settings: Omit<FakeSettings, 'rules'> & { readonly rules?: FrozenRules } = {},
): Promise<{ result: PromotionResult; records: FakeRecords; status: PromotionStatus }> {
  const rules = settings.rules ?? composeRules();
  const promotion = await stage.start({ ...settings, rules });
  const result = await promotion.result();
  const status = await promotion.handle.query<PromotionStatus>('promotionStatus');
  return { result, records: promotion.records, status };
}

function shortDeadlines(changes: Partial<FrozenRules['deadlines']>): FrozenRules {
  return composeRules({ deadlines: { ...DEFAULT_DEADLINES, ...changes } });
}

const unavailable = (): Promise<never> =>
  Promise.reject(ApplicationFailure.retryable('the database is away', FAILURES.unavailable));

describe('outcomes', () => {
  test('a promotion whose steps succeed is sealed as succeeded and gives the lease back', async () => {
    const { result, records, status } = await promote();
    expect(result).toMatchObject({ state: 'succeeded', reason: null });
    expect(result.packetDigest).toMatch(/^sha256:/);
    expect(records.endState()).toEqual({
      promotion: 'succeeded',
      sealed: { state: 'succeeded', code: null },
      steps: {
        scan: 'succeeded',
        gate: 'succeeded',
        plan: 'succeeded',
        deploy: 'succeeded',
        verify: 'succeeded',
      },
      journal: ['deploy host-1 succeeded', 'deploy host-2 succeeded'],
      approvals: { requests: [], recorded: [] },
      leaseHolder: undefined,
      queue: [],
    });
    expect(status.state).toBe('succeeded');
    expect(status.steps.map(({ state }) => state)).toEqual(Array(5).fill('succeeded'));
  });

  test('steps get the digests of the release, the rules and what they need, and the time', async () => {
    const inputs: Record<string, unknown>[] = [];
    const rules = composeRules();
    const note: NonNullable<FakeSettings['steps']>[string] = async (input) => {
      inputs.push({ ...input });
      return succeeded(`${input.stepId}/${input.target ?? ''}`);
    };
    await promote({ rules, steps: { gate: note, verify: note } });
    const gate = inputs.find(({ type }) => type === 'gate') ?? {};
    expect(gate.inputDigests).toEqual({
      release: rules.releaseDigest,
      rules: rules.rulesDigest,
      'scan.result': succeeded('scan/').outputs.result,
    });
    expect(Math.abs(Date.parse(String(gate.scheduledAt)) - Date.now())).toBeLessThan(60_000);
    const verified = inputs.filter(({ type }) => type === 'verify');
    expect(verified.map(({ target }) => target).sort()).toEqual(['host-1', 'host-2']);
    for (const { target, inputDigests } of verified) {
      expect(inputDigests).toMatchObject({
        'deploy.result': succeeded(`deploy/${target}`).outputs.result,
      });
    }
  });

  test('a denied gate denies the promotion: nothing is deployed, no lease taken, the end sealed', async () => {
    const { result, records } = await promote({
      steps: { gate: async () => unsuccessful('denied', 'secret-in-image') },
      override: { takeLease: () => Promise.reject(new Error('nobody asked for a lease')) },
    });
    expect(result).toMatchObject({ state: 'denied', reason: { code: 'secret-in-image' } });
    expect(records.endState()).toMatchObject({
      sealed: { state: 'denied', code: 'secret-in-image' },
      steps: { scan: 'succeeded', gate: 'failed', deploy: 'skipped', verify: 'skipped' },
      journal: [],
    });
  });

  test('a failed scan fails the promotion', async () => {
    const { result, records } = await promote({
      steps: { scan: async () => unsuccessful('failed', 'scan-unreadable') },
    });
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'scan-unreadable' } });
    expect(records.journal).toEqual([]);
  });

  test.each([
    ['deploy', { deploy: 'reverted', verify: 'skipped' }],
    ['verify', { deploy: 'reverted', verify: 'failed' }],
  ])('a failed %s on one target reverts all targets', async (type, steps) => {
    const { result, records } = await promote({
      steps: {
        [type]: async ({ target }) =>
          target === 'host-2' ? unsuccessful('failed', 'unhealthy') : succeeded('fine'),
      },
    });
    expect(result).toMatchObject({ state: 'reverted', reason: { code: 'unhealthy' } });
    expect(records.endState()).toMatchObject({
      sealed: { state: 'reverted', code: 'unhealthy' },
      steps,
      leaseHolder: undefined,
    });
    expect(records.journal.filter((line) => line.startsWith('revert')).sort()).toEqual([
      'revert host-1 succeeded',
      'revert host-2 succeeded',
    ]);
  });

  test('a target that cannot be reverted makes the promotion failed and is named', async () => {
    const { result, records } = await promote({
      steps: { verify: async () => unsuccessful('failed', 'unhealthy') },
      revert: async (target) =>
        target === 'host-2' ? unsuccessful('failed', 'agent-silent') : succeeded('back'),
    });
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'revert-failed' } });
    expect(result.reason?.message).toMatch(/^Not put back: host-2\. A person must look/);
    expect(result.reason?.message).toContain('unhealthy');
    expect(records.endState()).toMatchObject({ leaseHolder: undefined });
  });

  test('a deploy that fails before any command was dispatched only fails', async () => {
    const { result } = await promote({
      steps: { deploy: async () => unsuccessful('failed', 'plan-refused') },
      override: { listDeployments: async () => [] },
    });
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'plan-refused' } });
  });

  test('a terminal failure of an activity is recorded by its kebab-case type', async () => {
    const { result, records } = await promote({
      steps: {
        scan: () =>
          Promise.reject(ApplicationFailure.nonRetryable('no trivy', FAILURES.scannerUnavailable)),
      },
    });
    expect(result).toMatchObject({
      state: 'failed',
      reason: { code: 'scanner-unavailable', message: 'Step scan: no trivy' },
    });
    expect(records.stepStates.get('scan')).toBe('failed');
  });

  test('rules that cannot be frozen fail the promotion, and it is sealed', async () => {
    const { result, records } = await promote({
      override: {
        freezeRules: () =>
          Promise.reject(ApplicationFailure.nonRetryable('no such pipeline', FAILURES.notFound)),
      },
    });
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'not-found' } });
    expect(records.sealed?.state).toBe('failed');
  });

  test('a seal that is refused for good gives the lease back and fails the run visibly', async () => {
    let released = 0;
    const run = promote({
      override: {
        sealPromotion: () =>
          Promise.reject(ApplicationFailure.nonRetryable('other seal', FAILURES.integrity)),
        releaseLease: async () => {
          released += 1;
        },
      },
    });
    await expect(run).rejects.toMatchObject({
      cause: { type: 'SealingFailed', message: expect.stringContaining('reset this run') },
    });
    expect(released).toBe(1);
  });
});

describe('pipelines as data', () => {
  const pipeline = (steps: Pipeline['steps']): Pipeline => ({
    schema: PIPELINE_SCHEMA,
    name: 'of-a-test',
    version: 1,
    steps,
  });

  test('a step type that nothing can run fails before anything is done', async () => {
    const rules = composeRules({
      pipeline: pipeline([
        { id: 'scan', type: 'scan@1', needs: [], inputs: {} },
        { id: 'dance', type: 'dance@1', needs: ['scan'], inputs: {} },
      ]),
    });
    const { result, records } = await promote({ rules });
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'step-type-unknown' } });
    expect(records.endState()).toMatchObject({ steps: { scan: 'skipped', dance: 'failed' } });
  });

  test('a pipeline that is none fails the promotion, not the workflow task', async () => {
    const needy = { id: 'scan', type: 'scan@1', needs: ['scan'], inputs: {} } as const;
    const { result } = await promote({ rules: composeRules({ pipeline: pipeline([needy]) }) });
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'pipeline-cycle' } });
  });

  test('independent steps run at once, and those that run end before the promotion does', async () => {
    const rules = composeRules({
      pipeline: pipeline([
        { id: 'scan-a', type: 'scan@1', needs: [], inputs: {} },
        { id: 'scan-b', type: 'scan@1', needs: [], inputs: {} },
        { id: 'gate', type: 'gate@1', needs: ['scan-a', 'scan-b'], inputs: {} },
      ]),
    });
    let arrived = 0;
    let open = (): void => undefined;
    const both = new Promise<void>((resolve) => {
      open = resolve;
    });
    const { result, records } = await promote({
      rules,
      steps: {
        scan: async ({ stepId }) => {
          arrived += 1;
          if (arrived === 2) open();
          await both;
          if (stepId === 'scan-a') return unsuccessful('failed', 'unreadable');
          await new Promise((resolve) => setTimeout(resolve, 300));
          return succeeded('b');
        },
      },
    });
    expect(result.state).toBe('failed');
    expect(records.endState()).toMatchObject({
      steps: { 'scan-a': 'failed', 'scan-b': 'succeeded', gate: 'skipped' },
    });
  });
});

describe('deadlines', () => {
  test.each(['scan', 'gate'])(
    'a %s that is unavailable for ever fails by its deadline',
    async (type) => {
      const { result, records } = await promote({
        rules: shortDeadlines({ [`${type}Seconds`]: 2 }),
        steps: { [type]: unavailable },
      });
      expect(result).toMatchObject({
        state: 'failed',
        reason: { code: `${type}-deadline-exceeded` },
      });
      expect(result.reason?.message).toContain('the database is away');
      expect(records.stepStates.get(type)).toBe('failed');
    },
  );

  test('a deploy that its agent never answers fails by its deadline, and its targets are reverted', async () => {
    const rules = composeRules({
      targets: ['host-1'],
      deadlines: { ...DEFAULT_DEADLINES, deploySeconds: 2 },
    });
    const { result } = await promote({ rules, steps: { deploy: unavailable } });
    expect(result).toMatchObject({
      state: 'reverted',
      reason: { code: 'deploy-deadline-exceeded' },
    });
  });

  test('a revert that nobody answers is named by its deadline', async () => {
    const { result } = await promote({
      rules: shortDeadlines({ revertSeconds: 1 }),
      steps: { verify: async () => unsuccessful('failed', 'unhealthy') },
      revert: unavailable,
    });
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'revert-failed' } });
    expect(result.reason?.message).toContain('host-1, host-2');
  });

  test('the deadline of the whole promotion ends the step that runs', async () => {
    const { result, records } = await promote({
      rules: shortDeadlines({ promotionSeconds: 2 }),
      steps: { gate: unavailable },
    });
    expect(result).toMatchObject({
      state: 'failed',
      reason: { code: 'promotion-deadline-exceeded' },
    });
    expect(records.endState()).toMatchObject({ steps: { gate: 'cancelled', deploy: 'skipped' } });
  });
});

test('search attributes name the promotion by opaque ids and follow its state', async () => {
  const rules = composeRules();
  const { handle, input, result } = await stage.start({ rules });
  await result();
  const { typedSearchAttributes } = await handle.describe();
  const shown = Object.fromEntries(
    typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]),
  );
  expect(shown).toMatchObject({
    [SEARCH_ATTRIBUTES.tenant]: 'acme',
    [SEARCH_ATTRIBUTES.environment]: input.environment,
    [SEARCH_ATTRIBUTES.release]: rules.releaseDigest,
    [SEARCH_ATTRIBUTES.promotionState]: 'succeeded',
  });
});
