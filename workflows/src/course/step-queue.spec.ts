import { expect, test } from '@jest/globals';
import { STEP_QUEUES } from '@sluice/domain';
import { LEGACY_STEP_QUEUES, TASK_QUEUES, taskQueueOf } from '@sluice/temporal-contract';
import { findQueue, isProcess, queueOf } from './step-queue.ts';

test('the queue that was frozen is the queue, whatever the type', () => {
  expect(STEP_QUEUES.map(taskQueueOf)).toEqual(STEP_QUEUES.map((name) => TASK_QUEUES[name]));
  expect(Object.keys(TASK_QUEUES).sort()).toEqual([...STEP_QUEUES].sort());
  expect(findQueue({ type: 'survey@1', queue: 'build' })).toBe('sluice-build');
  expect(queueOf({ type: 'scan@1', queue: 'outbound' })).toBe('sluice-outbound');
  expect(isProcess({ type: 'scan@1', queue: 'outbound' })).toBe(false);
  expect(isProcess({ type: 'survey@1', queue: 'script' })).toBe(true);
});

// Histories and running promotions froze none: what they did with each type may never change.
test('a course that froze none goes by the types of its time, and by no other', () => {
  expect(LEGACY_STEP_QUEUES).toEqual({
    scan: 'sluice-scan',
    gate: 'sluice-gate',
    plan: 'sluice-control',
    deploy: 'sluice-deploy',
    verify: 'sluice-verify',
    noop: 'sluice-control',
    soak: 'sluice-outbound',
    build: 'sluice-build',
    release: 'sluice-control',
    script: 'sluice-script',
    http: 'sluice-outbound',
    notify: 'sluice-outbound',
  });
  expect(queueOf({ type: 'http@1' })).toBe('sluice-outbound');
  expect(findQueue({ type: 'survey@1' })).toBeUndefined();
  const processes = Object.keys(LEGACY_STEP_QUEUES).filter((type) =>
    isProcess({ type: `${type}@1` as `${string}@${number}` }),
  );
  expect(processes.sort()).toEqual(['build', 'scan', 'script']);
});
