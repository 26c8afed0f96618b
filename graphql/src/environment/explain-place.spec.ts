import { expect, test } from '@jest/globals';
import { explainPlace, type PlaceFacts } from './explain-place.ts';

const step = (id: string, state: PlaceFacts['steps'][number]['state']) => ({ id, state });
const facts: PlaceFacts = {
  ready: false,
  holder: 'prod/7',
  state: 'running',
  steps: [step('scan', 'succeeded'), step('plan', 'running'), step('approval', 'pending')],
  approval: undefined,
};
const approval = {
  state: 'waiting' as const,
  count: 2,
  roles: ['admin', 'approver'],
  approved: 1,
  deadline: '2030-01-01T00:00:00.000Z',
};

test('whoever is ready waits for the one that holds the lease', () => {
  expect(explainPlace({ ...facts, ready: true })).toEqual({
    code: 'waits-for-lease',
    message: 'Ready: waits until prod/7 gives the lease back.',
  });
  expect(explainPlace({ ...facts, ready: true, holder: null })).toMatchObject({
    code: 'waits-for-lease',
    message: expect.stringContaining('handed over'),
  });
  // The approval of a round before does not matter once it is ready.
  expect(explainPlace({ ...facts, ready: true, approval })).toMatchObject({
    code: 'waits-for-lease',
  });
});

test('a request that waits says for how many, by whom and until when', () => {
  const steps = [step('scan', 'succeeded'), step('approval', 'waiting')];
  const place = { ...facts, state: 'waiting' as const, steps, approval };
  expect(explainPlace(place)).toEqual({
    code: 'waits-for-approval',
    message:
      'Waits for 1 approval by admin or approver until 2030-01-01T00:00:00.000Z; others may go first.',
  });
  expect(explainPlace({ ...place, approval: { ...approval, approved: 0 } }).message).toContain(
    '2 approvals',
  );
});

test('otherwise the step that runs, or comes next, is named', () => {
  expect(explainPlace(facts)).toMatchObject({
    code: 'in-preparation',
    message: expect.stringContaining('step plan is running'),
  });
  const between = [step('scan', 'succeeded'), step('plan', 'pending')];
  expect(explainPlace({ ...facts, steps: between })).toMatchObject({
    code: 'in-preparation',
    message: expect.stringContaining('step plan comes next'),
  });
  // A round that was withdrawn is not waited for.
  const withdrawn = { ...approval, state: 'withdrawn' as const };
  expect(explainPlace({ ...facts, approval: withdrawn })).toMatchObject({
    code: 'in-preparation',
  });
  expect(explainPlace({ ...facts, steps: [step('scan', 'succeeded')] }).message).toBe(
    'Prepares to end.',
  );
});

test('what nobody took up yet has not begun', () => {
  const steps = [step('scan', 'pending'), step('plan', 'pending')];
  expect(explainPlace({ ...facts, steps }).code).toBe('not-started');
  expect(explainPlace({ ...facts, state: 'requested', steps }).code).toBe('not-started');
});
