import { expect, test } from '@jest/globals';
import type { StepState } from '@sluice/domain';
import type { StepRecord } from '@sluice/persistence';
import { BUILT_IN_STEP_TYPES, parsePipeline, renderPipeline } from '@sluice/pipeline';
import { type CompensationFacts, composeCompensation } from './compose-compensation.ts';

const TEXT = `schema: sluice.pipeline/v2
name: sample
version: 1
steps:
  - { id: scan, type: scan@1 }
  - { id: gate, type: gate@1, needs: [scan] }
  - { id: plan, type: plan@1, needs: [gate] }
  - id: migrate
    type: script@1
    needs: [plan]
    inputs: { source: "up", undo: { source: "down" } }
  - id: ask
    type: http@1
    compensate: false
    needs: [migrate]
    inputs: { url: "https://example.com/" }
  - { id: deploy, type: deploy@1, needs: [ask] }
  - { id: verify, type: verify@1, needs: [deploy] }
`;

const pipeline = (() => {
  const parsed = parsePipeline(TEXT);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const rendered = renderPipeline(parsed.template, {
    pipelines: new Map(),
    stepTypes: BUILT_IN_STEP_TYPES,
  });
  if (!rendered.ok) throw new Error(JSON.stringify(rendered.problems));
  return rendered.pipeline;
})();

/** Steps in the states given, in the pipeline's order; each ends a second after the one before. */
function steps(
  states: Readonly<Record<string, StepState | readonly [StepState, string]>>,
  begun: readonly string[] = [],
): readonly StepRecord[] {
  return pipeline.steps.map(({ id, type }, ordinal) => {
    const given = states[id] ?? 'pending';
    const [state, code] = typeof given === 'string' ? [given, null] : given;
    const at = state === 'pending' ? null : `2030-01-01T00:00:0${ordinal}.000Z`;
    return {
      promotionId: 'dev/1',
      stepId: id,
      ordinal,
      type,
      state,
      reason: code === null ? null : { code, message: `Why ${id}.` },
      outputs: {},
      values: {},
      references: {},
      hasBegun: begun.includes(id),
      startedAt: state === 'skipped' ? null : at,
      endedAt: at,
    };
  });
}

const facts = (more: Partial<CompensationFacts>): CompensationFacts => ({
  state: 'failed',
  pipeline,
  steps: [],
  counts: new Map(),
  touched: new Map(),
  unsure: new Map(),
  deployments: [],
  stepTypes: BUILT_IN_STEP_TYPES,
  ...more,
});

const DONE = {
  scan: 'succeeded',
  gate: 'succeeded',
  plan: 'succeeded',
  migrate: 'succeeded',
  ask: 'succeeded',
} as const;

const shown = (more: Partial<CompensationFacts>) => {
  const view = composeCompensation(facts(more));
  return view && { complete: view.complete, steps: view.steps.map((s) => [s.step, s.state]) };
};

test('there is nothing to show while all goes well, and where nothing was done', () => {
  expect(shown({ state: 'succeeded', steps: steps({ ...DONE, deploy: 'succeeded' }) })).toBeNull();
  expect(shown({ state: 'running', steps: steps(DONE) })).toBeNull();
  expect(
    shown({ state: 'denied', steps: steps({ scan: 'succeeded', gate: 'failed' }) }),
  ).toBeNull();
});

test('what is undone stands last done first; what stays by design is no fault', () => {
  const reverted = steps({ ...DONE, migrate: 'reverted', deploy: 'reverted', verify: 'failed' });
  expect(shown({ state: 'reverted', steps: reverted })).toEqual({
    complete: true,
    steps: [
      ['deploy', 'UNDONE'],
      ['ask', 'STAYS'],
      ['migrate', 'UNDONE'],
    ],
  });
});

test('while it is being undone, the rest is open', () => {
  const view = shown({
    state: 'running',
    steps: steps({ ...DONE, deploy: 'reverted' }),
  });
  expect(view).toEqual({
    complete: false,
    steps: [
      ['deploy', 'UNDONE'],
      ['ask', 'STAYS'],
      ['migrate', 'OPEN'],
    ],
  });
});

test('what could not be undone says why, and what a person does', () => {
  const failed = steps({ ...DONE, migrate: ['succeeded', 'compensation-failed'] });
  const view = composeCompensation(facts({ steps: failed }));
  expect(view?.complete).toBe(false);
  expect(view?.steps.find(({ step }) => step === 'migrate')).toMatchObject({
    state: 'FAILED',
    byHand: expect.stringContaining('by hand'),
    reason: { code: 'compensation-failed', message: 'Why migrate.' },
  });
});

test('targets of a superseded promotion are left, with what a person can do', () => {
  const view = composeCompensation(
    facts({
      state: 'cancelled',
      steps: steps({ ...DONE, deploy: 'cancelled' }),
      deployments: [{ state: 'confirmed' }],
    }),
  );
  expect(view?.steps[0]).toMatchObject({
    step: 'deploy',
    state: 'LEFT',
    byHand: expect.stringContaining('sluice rollback'),
  });
  const untouched = shown({
    state: 'cancelled',
    steps: steps({ ...DONE, deploy: 'cancelled' }),
    deployments: [{ state: 'planned' }, { state: 'reverted' }],
  });
  expect(untouched?.steps.map(([step]) => step)).not.toContain('deploy');
});

test('of a step with members, how many are put back', () => {
  const view = composeCompensation(
    facts({
      state: 'reverted',
      steps: steps({ ...DONE, deploy: 'reverted' }),
      counts: new Map([['deploy', { reverted: 3, failed: 2 }]]),
    }),
  );
  expect(view?.steps[0]).toMatchObject({ step: 'deploy', undoneMembers: 3, memberCount: 5 });
});

test('a member that failed after its command went out is in what remains', () => {
  const failed = {
    state: 'failed',
    steps: steps({ ...DONE, migrate: 'reverted', deploy: 'failed' }),
    counts: new Map([['deploy', { failed: 1, cancelled: 1 }]]),
  } as const;
  const view = composeCompensation(facts({ ...failed, touched: new Map([['deploy', 1]]) }));
  expect(view).toMatchObject({
    complete: false,
    steps: [
      {
        step: 'deploy',
        state: 'LEFT',
        byHand: expect.any(String),
        undoneMembers: 0,
        memberCount: 2,
      },
      { step: 'ask' },
      { step: 'migrate' },
    ],
  });
  const untouched = shown({ ...failed, touched: new Map([['deploy', 0]]) });
  expect(untouched?.steps.map(([step]) => step)).not.toContain('deploy');
});

test('what failed or was cancelled after it began may have happened, and is in what remains', () => {
  for (const state of ['failed', 'cancelled'] as const) {
    const ended = { ...DONE, migrate: 'reverted', ask: [state, 'attempt-lost'] } as const;
    const begun = steps(ended, ['ask', 'migrate']);
    const view = composeCompensation(facts({ state: 'reverted', steps: begun }));
    expect(view).toMatchObject({
      complete: true,
      steps: [
        { step: 'ask', state: 'STAYS', byHand: expect.stringContaining('may have happened') },
        { step: 'migrate', state: 'UNDONE', byHand: null },
      ],
    });
    const neverBegun = shown({ state: 'reverted', steps: steps(ended, ['migrate']) });
    expect(neverBegun?.steps).toEqual([['migrate', 'UNDONE']]);
  }
});

test('of what can be undone and may have happened, what a person does is left', () => {
  const lost = steps({ ...DONE, migrate: ['cancelled', 'superseded'] }, ['migrate']);
  const view = composeCompensation(facts({ state: 'cancelled', steps: lost }));
  expect(view?.complete).toBe(false);
  expect(view?.steps.find(({ step }) => step === 'migrate')).toMatchObject({ state: 'LEFT' });
});

test('a step that a stale plan sent back may have had its effect before', () => {
  const sentBack = steps({ scan: 'failed' }, ['ask', 'migrate']);
  expect(shown({ steps: sentBack })).toEqual({ complete: true, steps: [['ask', 'STAYS']] });
});

test('of members it is known of each', () => {
  const some = {
    steps: steps({ ...DONE, ask: 'failed' }),
    counts: new Map([['ask', { succeeded: 1, failed: 2 }]]),
  };
  const byHandOf = (more: Partial<CompensationFacts>) =>
    composeCompensation(facts({ ...some, ...more }))?.steps.find(({ step }) => step === 'ask')
      ?.byHand;
  expect(byHandOf({ unsure: new Map([['ask', 1]]) })).toContain('may have happened');
  expect(byHandOf({ unsure: new Map([['ask', 0]]) })).toBeNull();
  const none = new Map([['ask', { failed: 3 }]]);
  expect(byHandOf({ counts: none, unsure: new Map([['ask', 1]]) })).toContain('may have happened');
  expect(byHandOf({ counts: none })).toBeUndefined();
});
