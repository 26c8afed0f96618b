import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ReadHistory } from '@sluice/temporal-client';
import type { Activation } from './probe.ts';
import { type PromotionAt, readPromotionAt } from './promotion-at.ts';
import { openReplayWorker, type ReplayWorker } from './replay-worker.ts';
import { bundleSampleCode, readSample } from './sample-code.ts';

let worker: ReplayWorker;

beforeAll(async () => {
  worker = openReplayWorker(await bundleSampleCode(), { watch: 'commands' });
}, 180_000);
afterAll(() => worker.close());

async function open(name: string): Promise<(event: number) => PromotionAt> {
  const read: ReadHistory = await readSample(name);
  const { activations } = await worker.replay(read.history, read.head.workflowId);
  return (event) => readPromotionAt(read, activations as readonly Activation[], event);
}

describe('a promotion that two people approve', () => {
  test('before its first task is done it is only requested', async () => {
    const at = await open('promotion-succeeded-two-rounds');
    expect(at(1)).toMatchObject({
      event: 1,
      events: 173,
      eventType: 'WorkflowExecutionStarted',
      state: 'requested',
      steps: [],
      fencingToken: null,
      approval: null,
      pending: [],
      timers: [],
      decisions: [],
    });
    expect(at(3).state).toBe('requested');
    expect(at(1).at).toMatch(/^2026-11-21T16:14:3\d\.\d{3}Z$/);
  }, 60_000);

  test('while people are asked: who is waited for, until when, and what was decided so far', async () => {
    const at = await open('promotion-succeeded-two-rounds');
    const asked = at(45);
    expect(asked.state).toBe('waiting');
    expect(asked.approval).toMatchObject({ state: 'waiting', round: 1, votes: [] });
    expect(asked.blockers).toEqual([
      {
        code: 'approval-waiting',
        message: expect.stringMatching(/^Round 1 .*nobody has decided\.$/),
      },
    ]);
    expect(asked.decisions).toEqual([
      { event: 28, step: 'gate', kind: 'gate', outcome: 'allow', reason: null },
    ]);
    const voted = at(66);
    expect(voted.blockers[0]?.message).toMatch(/otto said approve/);
    expect(voted.decisions.at(-1)).toMatchObject({
      kind: 'approval',
      by: 'otto',
      outcome: 'approve',
    });
    expect(at(51).decisions).toHaveLength(1);
  }, 60_000);

  test('what it asked for and has no answer to', async () => {
    const at = await open('promotion-succeeded-two-rounds');
    const last = at(138);
    const deploys = last.pending.filter(({ step }) => step === 'deploy');
    expect(deploys.length).toBeLessThanOrEqual(2);
    const pending = Array.from({ length: 173 }, (_, index) => at(index + 1).pending);
    expect(pending.at(-1)).toEqual([]);
    const both = pending.find(
      (activities) => activities.filter(({ step }) => step === 'deploy').length === 2,
    );
    expect(
      both?.map(({ activity, step, target, attempt }) => ({ activity, step, target, attempt })),
    ).toEqual([
      { activity: 'executeStep', step: 'deploy', target: 'host-1', attempt: 1 },
      { activity: 'executeStep', step: 'deploy', target: 'host-2', attempt: 1 },
    ]);
  }, 60_000);

  test('at its end nothing is left', async () => {
    const at = await open('promotion-succeeded-two-rounds');
    expect(at(173)).toMatchObject({ state: 'succeeded', pending: [], timers: [], blockers: [] });
    expect(at(173).decisions.filter(({ kind }) => kind === 'approval')).toHaveLength(3);
    expect(() => at(174)).toThrow(/1 to 173/);
    expect(() => at(0)).toThrow();
  }, 60_000);
});

test('one in the queue says who holds the lease', async () => {
  const at = await open('promotion-succeeded-after-queue');
  const all = Array.from({ length: 91 }, (_, index) => at(index + 1));
  const queued = all.find(({ state }) => state === 'queued');
  expect(queued?.blockers).toContainEqual({
    code: 'lease-held',
    message: 'The lease is held by promotion:dev/1; place 1 in the queue.',
  });
}, 60_000);

test('a gate that denies is a decision with its reason', async () => {
  const at = await open('promotion-denied');
  expect(at(49).decisions).toEqual([
    {
      event: expect.any(Number),
      step: 'gate',
      kind: 'gate',
      outcome: 'deny',
      reason: expect.stringMatching(/^secret-in-image/),
    },
  ]);
}, 60_000);

test("what is no promotion's own has no state", async () => {
  const at = await open('release-created');
  expect(at(10)).toMatchObject({ state: null, steps: [], approval: null });
}, 60_000);
