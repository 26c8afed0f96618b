import { randomUUID } from 'node:crypto';
import { digestOf } from '@sluice/pure';
import type {
  ReleaseActivities,
  ResolveReleaseInput,
  ResolveReleaseResult,
} from '@sluice/temporal-contract';
import {
  FAILURES,
  releaseRequestWorkflowId,
  TASK_QUEUES,
  WORKFLOWS,
} from '@sluice/temporal-contract';
import { ApplicationFailure } from '@temporalio/common';
import { createFakeReleaseActivities } from './fake-release-activities.ts';
import type { FaultScenario } from './fault-scenarios.ts';
import { TEST_TENANT } from './workflow-environment.ts';

/** Seconds; as `short-attempts.ts` has it, which knows by the source whose it is. */
const RESOLVE_DEADLINE = 4;
const SHORT_LIVED = 'short-';

const stories: readonly (readonly [string, string, Partial<ReleaseActivities>])[] = [
  ['a release that is created', 'created', {}],
  [
    'a release that is refused',
    'refused',
    { resolveComponent: async () => ({ ok: false, code: 'tag-unknown', message: 'none' }) },
  ],
];

/** The ways of `resolveRelease`. */
export const releaseScenarios: readonly FaultScenario[] = stories.map(
  ([name, state, override]) => ({
    workflow: 'resolveRelease',
    name,
    state,
    interrupted: ['refused', state],
    deadlineSeconds: RESOLVE_DEADLINE,
    start: async (stage, wrap, hasDeadline = false) => {
      const input = requestFrom(`${hasDeadline ? SHORT_LIVED : ''}${randomUUID()}`);
      const { activities, settlements } = createSettlingFakes(override);
      stage.releases.set(input.requestId, wrap(activities));
      const handle = await stage.client.workflow.start(WORKFLOWS.resolveRelease, {
        ...stage.startOptions,
        workflowId: releaseRequestWorkflowId(input.tenantId, input.requestId),
        taskQueue: TASK_QUEUES.control,
        args: [input],
      });
      return {
        handle,
        result: async () => (await handle.result()) as ResolveReleaseResult,
        cancel: () => handle.cancel(),
        endState: () => settlements,
        findViolations: (result) =>
          settlements.length === 1 && settlements[0]?.startsWith(result.state) === true
            ? []
            : [`it ended ${result.state} and was settled: ${settlements.join(', ')}`],
      };
    },
  }),
);

/** The source tells whose fakes they are. */
function requestFrom(source: string): ResolveReleaseInput {
  return {
    tenantId: TEST_TENANT,
    requestId: source,
    name: 'shop',
    version: '1.0.0',
    components: ['web', 'worker'].map((name) => ({ name, source, reference: '1.0.0' })),
    requestedBy: 'principal:mia',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  };
}

/** A request is settled once, like the real one: the same again changes nothing, another end is illegal. */
function createSettlingFakes(override: Partial<ReleaseActivities>): {
  readonly activities: ReleaseActivities;
  readonly settlements: readonly string[];
} {
  const settlements: string[] = [];
  const settle = (how: string): void => {
    if (settlements.includes(how)) return;
    if (settlements.length > 0) {
      throw ApplicationFailure.nonRetryable(
        `settled: ${settlements[0]}`,
        FAILURES.illegalTransition,
      );
    }
    settlements.push(how);
  };
  const activities = createFakeReleaseActivities({
    recordRelease: async ({ components }) => {
      const releaseDigest = digestOf(components);
      settle(`created ${releaseDigest}`);
      return { ok: true, releaseDigest };
    },
    refuseRelease: async ({ code }) => settle(`refused ${code}`),
    ...override,
  });
  return { activities, settlements };
}
