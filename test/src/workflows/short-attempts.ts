import type { WorkflowInterceptorsFactory } from '@temporalio/workflow';

// Workflow code that only the fault harness turns on: an attempt that says nothing is given up in a moment instead of the
// seconds that a real one may take, so that "timed out" can be tested for every activity. Deadlines stay as they are.
const ATTEMPT_MS = 2500;
/** Every test bundle has this code; the harness writes `short` here, in the bundle. */
const ATTEMPTS: string = 'as they are';
/** The one deadline that no rules name, of a request whose source asks for it. */
const RESOLVE_DEADLINE_MS = 4000;
const SHORT_LIVED = 'short-';

/** Shortens every attempt. */
const shorten: WorkflowInterceptorsFactory = () => ({
  outbound: [
    {
      scheduleActivity: (input, next) =>
        next({
          ...input,
          options: {
            ...input.options,
            startToCloseTimeout: ATTEMPT_MS,
            ...(input.options.heartbeatTimeout === undefined
              ? {}
              : { heartbeatTimeout: ATTEMPT_MS }),
            ...(input.activityType === 'resolveComponent' && isShortLived(input.args[0])
              ? { scheduleToCloseTimeout: RESOLVE_DEADLINE_MS }
              : {}),
          },
        }),
    },
  ],
});

/** What the bundle loads. */
export const interceptors: WorkflowInterceptorsFactory = () =>
  ATTEMPTS === 'short' ? shorten() : {};

function isShortLived(input: unknown): boolean {
  const { component } = input as { component?: { source?: string } };
  return component?.source?.startsWith(SHORT_LIVED) === true;
}
