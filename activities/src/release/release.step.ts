import { composeRelease, type Outcome, type Release, refused, traceIdOf } from '@sluice/domain';
import {
  bindRelease,
  findReleaseByVersion,
  getPromotion,
  insertEvent,
  insertRelease,
  type PromotionRecord,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import { NOTHING_DIGEST, releaseDigest } from '@sluice/pure';
import { FAILURES } from '@sluice/temporal-contract';
import type { ActivityDependencies } from '../dependencies.ts';
import { activityFailure } from '../failures.ts';
import { recordEventOf, workflowActor } from '../records/promotion-event.ts';
import {
  failedResult,
  type StepOutcome,
  type StepRun,
  type StepType,
  succeededResult,
} from '../step/step-type.ts';
import { findComponentProblem } from './component-contents.ts';

type ReleaseParts = Pick<ActivityDependencies, 'pool' | 'evidence'>;

/**
 * `release@1`: makes a release of components, and binds the promotion to it: from here on everything is decided, planned, approved and
 * deployed of this release. Release, binding, events and effect record are one transaction. Made again, it is the same release.
 */
export function createReleaseStep(parts: ReleaseParts): StepType {
  return {
    type: 'release',
    version: 1,
    run: (run) => makeRelease(parts, run),
  };
}

async function makeRelease(parts: ReleaseParts, run: StepRun): Promise<StepOutcome> {
  const { input, promotion, log } = run;
  const { name, version, components } = run.inputs as unknown as Release;
  const composed = composeRelease(name, version, components);
  if (!composed.ok) return refusedBy(composed.refusal);
  const release = composed.value;
  const digest = releaseDigest(release);
  const { tenantId } = input.promotion;
  const checked = await withTenant(
    parts.pool,
    tenantId,
    (tx) => checkRelease(tx, promotion.promotionId, release, digest),
    { readOnly: true },
  );
  if (!checked.ok) return refusedBy(checked.refusal);
  for (const component of release.components) {
    const problem = await findComponentProblem(parts, tenantId, component);
    if (problem !== undefined)
      return { result: failedResult('release-component-invalid', problem) };
  }
  log.info({ release: digest, name, version }, 'release made');
  return {
    result: succeededResult({ release: digest }, { release: digest, name, version }),
    record: (tx) => recordRelease(tx, promotion, input.stepId, release),
  };
}

function refusedBy({
  code,
  message,
}: {
  readonly code: string;
  readonly message: string;
}): StepOutcome {
  return { result: failedResult(code, message) };
}

/** What can be seen to fail before anything is written. */
async function checkRelease(
  tx: Tx,
  promotionId: string,
  release: Release,
  digest: string,
): Promise<Outcome<true>> {
  const { name, version } = release;
  const known = await findReleaseByVersion(tx, name, version);
  if (known !== undefined && known.releaseDigest !== digest) {
    return refused(
      'release-version-taken',
      `Release ${name} ${version} exists with other content (${known.releaseDigest}): choose another version.`,
    );
  }
  const bound = await findBound(tx, promotionId);
  if (bound !== undefined && bound !== digest) {
    return refused(
      'release-given',
      `Promotion ${promotionId} is of release ${bound} already, and its pipeline makes another one: ask for the promotion without a release.`,
    );
  }
  return { ok: true, value: true };
}

/** The release that the promotion is of; undefined before it was made. */
async function findBound(tx: Tx, promotionId: string): Promise<string | undefined> {
  const { kind, releaseDigest: bound } = await getPromotion(tx, promotionId);
  return kind === 'promote' && bound === NOTHING_DIGEST ? undefined : bound;
}

async function recordRelease(
  tx: Tx,
  promotion: PromotionRecord,
  stepId: string,
  release: Release,
): Promise<void> {
  const { promotionId, requestedBy, traceparent } = promotion;
  const stored = await insertRelease(tx, { release, createdBy: requestedBy });
  if (!stored.ok) {
    // Taken meanwhile: the next attempt finds it, and says so as the step's result.
    throw activityFailure(FAILURES.unavailable, `Step ${stepId}: ${stored.refusal.message}`);
  }
  const { releaseDigest: digest, created } = stored.value;
  const { name, version } = release;
  await insertEvent(tx, {
    type: 'release.created',
    actor: workflowActor(tx.tenantId, promotionId),
    subject: `release:${digest}`,
    promotionId,
    data: { name, version, promotion: promotionId, step: stepId, isNew: created },
    traceId: traceIdOf(traceparent) ?? null,
  });
  if (await bindRelease(tx, { promotionId, releaseDigest: digest })) {
    await recordEventOf(tx, 'promotion.release-bound', promotion, {
      release: digest,
      step: stepId,
    });
  }
}
