import { isNothing } from '@sluice/domain';
import { findTarget, getRelease, withTenant } from '@sluice/persistence';
import { FAILURES } from '@sluice/temporal-contract';
import { withHeartbeats } from '../activity-scope.ts';
import type { ActivityDependencies } from '../dependencies.ts';
import { activityFailure } from '../failures.ts';
import {
  failedResult,
  type StepOutcome,
  type StepRun,
  type StepType,
  succeededResult,
} from '../step/step-type.ts';
import { probeHealth } from './http-probe.ts';

type VerifyParts = Pick<ActivityDependencies, 'pool' | 'fetchUrl' | 'now'>;

/** Part of the deadline that probing may take: the rest is for recording what came of it. */
const PROBE_SHARE = 0.8;

/** `verify@1`: the worker itself asks the target's service over HTTP, whatever the agent said before. */
export function createVerifyStep(parts: VerifyParts): StepType {
  return {
    type: 'verify',
    version: 1,
    run: (run) => withHeartbeats(run.scope, `verify ${run.input.target}`, () => verify(parts, run)),
  };
}

async function verify(
  parts: VerifyParts,
  { input, promotion, rules, scope, log }: StepRun,
): Promise<StepOutcome> {
  const name = input.target ?? '';
  const { target, empties } = await withTenant(
    parts.pool,
    input.promotion.tenantId,
    async (tx) => ({
      target: await findTarget(tx, name),
      empties: isNothing((await getRelease(tx, promotion.releaseDigest)).body),
    }),
  );
  if (target === undefined) {
    throw activityFailure(
      FAILURES.notFound,
      `Target ${name} was removed from the configuration while ${input.promotion.promotionId} ran.`,
    );
  }
  // The agent's report says that it is emptied; there is nobody who could answer for it.
  if (empties) return { result: succeededResult({}) };
  const now = (parts.now ?? Date.now)();
  const deadline = now + rules.deadlines.verifySeconds * 1000 * PROBE_SHARE;
  const probed = await probeHealth(
    target.address,
    target.health,
    deadline,
    scope.cancellation,
    parts.fetchUrl,
  );
  log.info({ url: probed.url, tries: probed.tries, healthy: probed.healthy }, 'verified');
  if (probed.healthy) return { result: succeededResult({}) };
  return {
    result: failedResult(
      'target-unhealthy',
      `${probed.url} on target ${name} was not healthy after ${probed.tries} ` +
        `${probed.tries === 1 ? 'try' : 'tries'}: ${probed.lastOutcome}. Look at the service's log ` +
        `on the target${promotion.kind === 'rollback' ? '' : '; its earlier release is put back'}.`,
    ),
  };
}
