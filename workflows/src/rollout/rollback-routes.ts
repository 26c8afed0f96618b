import { isDeployment, type RoutePlace } from '@sluice/domain';
import type { FrozenRules, Reason } from '@sluice/temporal-contract';
import { log } from '@temporalio/workflow';
import { isActivityFailure } from '../failure-reason.ts';
import { type Ending, interpretPipeline } from '../interpret-pipeline.ts';
import { mapBounded } from '../map-bounded.ts';
import type { PromotionRun } from '../promotion-run.ts';
import { routeTraffic } from './rollout-traffic.ts';

/** Routers that are changed at a time. */
const ROUTERS_AT_A_TIME = 10;

/**
 * A rollback where requests are routed: they go off what an unfinished rollout has made new before anything is deployed, and where they went
 * before that rollout once the rollback has succeeded. A router that does not answer keeps nothing from being rolled back; it is told.
 */
export async function rollBackRoutes(run: PromotionRun, rules: FrozenRules): Promise<Ending> {
  const before = await moveAll(run, rules, { kind: 'off', exposed: 0 });
  const ending = await interpretPipeline(run, rules);
  if (ending.state !== 'succeeded') return ending;
  const after = await moveAll(run, rules, { kind: 'restore' });
  const [problem] = [...after, ...before];
  if (problem === undefined) return ending;
  const code = after.length === 0 ? 'routes-late' : 'routes-not-restored';
  const what =
    after.length === 0
      ? 'Requests reached the version of before the rollback until its end'
      : 'Look at the router: requests may not go where they went before';
  return { state: 'succeeded', reason: { code, message: `${what} (${problem.message})` } };
}

/** @returns what was in the way */
async function moveAll(
  run: PromotionRun,
  { routers = [], pipeline }: FrozenRules,
  place: RoutePlace,
): Promise<readonly Reason[]> {
  const stepId = pipeline.steps.find(({ type }) => isDeployment(type))?.id;
  if (stepId === undefined) return [];
  const problems = await mapBounded(routers, ROUTERS_AT_A_TIME, async (router) => {
    try {
      return await routeTraffic(run, { stepId, round: 1, place, router });
    } catch (error) {
      if (run.stopCause !== undefined || !isActivityFailure(error)) throw error;
      return { code: 'route-interrupted', message: `The change of ${router} was interrupted.` };
    }
  });
  const found = problems.filter((problem): problem is Reason => problem !== null);
  for (const problem of found) log.warn('a rollback could not move requests', { place, problem });
  return found;
}
