import { agentStateAt } from '@sluice/domain';
import { type CommandRecord, findAgent, type Pool, withTenant } from '@sluice/persistence';
import type { RolloutActivities, StepResult } from '@sluice/temporal-contract';
import type { ActivityScope } from '../activity-scope.ts';
import type { ActivityDependencies } from '../dependencies.ts';
import { awaitReport } from '../deploy/dispatch-command.ts';
import { readResult } from '../deploy/settle-command.ts';
import { errorMessageOf } from '../failures.ts';
import { runActivity } from '../run-activity.ts';
import { frozenCoursesOf } from '../step/frozen-course.ts';
import { failedResult } from '../step/step-type.ts';
import { dispatchRoute, type RouteDispatch } from './dispatch-route.ts';
import { isPuttingBack, nameOfPlace } from './route-key.ts';

/** Refusals of the signer that the next look may not meet: a report that came just now, a cancellation that is on its way. */
const PASSING: ReadonlySet<string> = new Set(['payload-differs', 'promotion-cancelled']);

/**
 * `routeTraffic`: a signed command has the router's agent put a rollout's table in force; its final report completes the activity. A retry finds the
 * stored command or report and sends nothing twice. What the signer refuses is a result. Nobody waits for an agent that is offline where requests are to be
 * taken off: the targets are put back meanwhile.
 */
export function createRouteActivities(
  parts: Pick<ActivityDependencies, 'pool' | 'signer' | 'logger' | 'scope' | 'observe' | 'now'>,
): Pick<RolloutActivities, 'routeTraffic'> {
  return {
    routeTraffic: ({ promotion: { tenantId, promotionId }, stepId, round, ...input }) =>
      runActivity(
        parts,
        'routeTraffic',
        { tenantId, promotionId, stepId, traceparent: input.traceparent },
        async (log, scope): Promise<StepResult> => {
          const { promotion, rules } = await withTenant(parts.pool, tenantId, (tx) =>
            frozenCoursesOf(parts.pool).read(tx, promotionId),
          );
          const { place, router } = input;
          const now = (parts.now ?? Date.now)();
          const { deploySeconds, revertSeconds } = rules.deadlines;
          const validSeconds = isPuttingBack(place)
            ? revertSeconds
            : Math.min(deploySeconds, secondsLeft(scope, now));
          const order = { tenantId, promotion, stepId, round, place, router, validSeconds };
          const dispatched = await dispatchRoute(parts, order, scope).catch(refusalOf);
          if ('result' in dispatched) return dispatched.result;
          const { command } = dispatched;
          const result = await readResult(parts, tenantId, command);
          if (result !== undefined) return result;
          log.info(
            { router: command.target, place: nameOfPlace(place), sequence: command.sequence },
            'route command dispatched; the agent answers',
          );
          const isAway =
            place.kind === 'off' && (await isOffline(parts.pool, tenantId, command, now));
          if (isAway) return offlineResult(command);
          return awaitReport(parts, tenantId, scope, command);
        },
      ),
  };
}

/** What moves requests to the new version must not be carried out after nobody waits for it any more. */
function secondsLeft({ deadline }: ActivityScope, now: number): number {
  return deadline === undefined ? Number.MAX_SAFE_INTEGER : Math.max(10, (deadline - now) / 1000);
}

async function isOffline(
  pool: Pool,
  tenantId: string,
  { target }: CommandRecord,
  now: number,
): Promise<boolean> {
  const agent = await withTenant(pool, tenantId, (tx) => findAgent(tx, target));
  const beat = agent?.lastHeartbeatAt ?? undefined;
  return agentStateAt(beat === undefined ? undefined : Date.parse(beat), now) === 'offline';
}

/** The targets are put back at once then: that takes the bad version away, too. The command stays, and is carried out when the agent is back. */
function offlineResult({ target, expiresAt }: CommandRecord): StepResult {
  return failedResult(
    'router-offline',
    `The agent of router ${target} is offline, so nobody knows where its requests go; it takes them off when it is back before ${expiresAt}. Look at the proxy.`,
  );
}

function refusalOf(error: unknown): RouteDispatch {
  const { code, refusalCode } = (error ?? {}) as {
    readonly code?: unknown;
    readonly refusalCode?: unknown;
  };
  const isResult =
    code === 'signer-refused' && typeof refusalCode === 'string' && !PASSING.has(refusalCode);
  if (!isResult) throw error;
  return { result: failedResult(refusalCode, errorMessageOf(error)) };
}
