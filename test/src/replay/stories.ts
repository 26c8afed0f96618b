import { randomUUID } from 'node:crypto';
import { DEFAULT_DEADLINES } from '@sluice/domain';
import type { ResolveReleaseInput } from '@sluice/temporal-contract';
import {
  environmentLease,
  FAILURES,
  releaseRequestWorkflowId,
  TASK_QUEUES,
  WORKFLOWS,
} from '@sluice/temporal-contract';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { FakeSettings } from '../workflows/fake-activities.ts';
import { succeeded, unsuccessful } from '../workflows/fake-activities.ts';
import { createFakeReleaseActivities } from '../workflows/fake-release-activities.ts';
import { composeFirstRules } from '../workflows/fake-rules.ts';
import { TEST_TENANT } from '../workflows/workflow-environment.ts';
import { COURSE_STORIES } from './course-stories.ts';
import { playPromotion, type Story } from './play-promotion.ts';
import { ROLLOUT_STORIES } from './rollout-stories.ts';
import { ROUND_STORIES } from './round-stories.ts';

const rules = composeFirstRules();

function promotion(
  settings: Partial<FakeSettings>,
  meanwhile: (handle: WorkflowHandle) => Promise<unknown> = async () => undefined,
): Story {
  return playPromotion({ rules, ...settings }, ({ handle }) => meanwhile(handle));
}

function queuedFirst(): Story {
  let isFree = false;
  let hasAsked = (): void => undefined;
  const asked = new Promise<void>((resolve) => {
    hasAsked = resolve;
  });
  return promotion(
    {
      override: {
        takeLease: async () => {
          if (isFree) return { state: 'granted', fencingToken: 7 };
          hasAsked();
          return { state: 'queued', position: 1, holder: 'promotion:dev/1' };
        },
      },
    },
    async (handle) => {
      await asked;
      isFree = true;
      const resource = environmentLease('dev');
      await handle.signal('leaseGranted', { resource, fencingToken: 7 });
    },
  );
}

function cancelledInVerification(): Story {
  let isVerifying = (): void => undefined;
  const verifying = new Promise<void>((resolve) => {
    isVerifying = resolve;
  });
  const verify = async (): Promise<never> => {
    isVerifying();
    throw ApplicationFailure.retryable('not yet', FAILURES.unavailable);
  };
  return promotion({ steps: { verify } }, async (handle) => {
    await verifying;
    await handle.signal('cancelPromotion', { requestedBy: 'principal:mia', reason: 'a test' });
  });
}

function resolution(override: Parameters<typeof createFakeReleaseActivities>[0] = {}): Story {
  return (env) =>
    env.withWorkers(createFakeReleaseActivities(override), async () => {
      const input: ResolveReleaseInput = {
        tenantId: TEST_TENANT,
        requestId: randomUUID(),
        name: 'shop',
        version: '1.0.0',
        components: ['web', 'worker'].map((name) => ({ name, source: 's', reference: '1.0.0' })),
        requestedBy: 'principal:mia',
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      };
      const handle = await env.client.workflow.start(WORKFLOWS.resolveRelease, {
        workflowId: releaseRequestWorkflowId(TEST_TENANT, input.requestId),
        taskQueue: TASK_QUEUES.control,
        args: [input],
      });
      await handle.result();
      return handle;
    });
}

const unhealthy = async () => unsuccessful('failed', 'unhealthy');

/** What promotions did before planning and approving were steps: their histories are recorded and must stay as they are. */
const FIRST_STORIES: Readonly<Record<string, Story>> = {
  'promotion-succeeded': promotion({}),
  'promotion-succeeded-after-queue': queuedFirst(),
  'promotion-denied': promotion({
    steps: { gate: async () => unsuccessful('denied', 'secret-in-image') },
  }),
  'promotion-failed': promotion({
    steps: {
      scan: () =>
        Promise.reject(ApplicationFailure.nonRetryable('no scanner', FAILURES.scannerUnavailable)),
    },
  }),
  'promotion-failed-by-deadline': promotion({
    rules: composeFirstRules({ deadlines: { ...DEFAULT_DEADLINES, gateSeconds: 1 } }),
    steps: {
      gate: () => Promise.reject(ApplicationFailure.retryable('away', FAILURES.unavailable)),
    },
  }),
  'promotion-failed-to-revert': promotion({
    steps: { verify: unhealthy },
    revert: async (target) =>
      target === 'host-2' ? unsuccessful('failed', 'agent-silent') : succeeded('back'),
  }),
  'promotion-reverted': promotion({ steps: { verify: unhealthy } }),
  'promotion-cancelled': cancelledInVerification(),
  'release-created': resolution(),
  'release-refused': resolution({
    resolveComponent: async () => ({ ok: false, code: 'tag-unknown', message: 'no tag 1.0.0' }),
  }),
};

/** One run for each outcome, and for the ways to it that differ in their commands. Named by file. */
export const STORIES: Readonly<Record<string, Story>> = {
  ...FIRST_STORIES,
  ...ROUND_STORIES,
  ...COURSE_STORIES,
  ...ROLLOUT_STORIES,
};
