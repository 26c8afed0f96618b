import { findReleaseStep, isNothing, isPipelineTemplate } from '@sluice/domain';
import {
  type EnvironmentRecord,
  findRelease,
  isVerified,
  type ReleaseRecord,
  type Tx,
} from '@sluice/persistence';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { notFound, stateConflict } from '../common/refusal.ts';
import {
  type Parameters,
  resolveEnvironmentPipeline,
} from '../environment/environment-pipeline.ts';
import { requireEnvironment } from '../environment/require-environment.ts';
import { storeNothing } from '../release/store-nothing.ts';
import { storePromotion } from './store-promotion.ts';

/** What a promotion is asked for with. */
export interface AskedPromotion {
  /** Digest; null where the environment's pipeline makes the release. */
  readonly release: string | null;
  readonly environment: string;
  readonly parameters: Parameters;
}

/**
 * Checks a request and stores its promotion; gives its id.
 * @throws RefusalException for what stands in the way
 */
export async function requestPromotion(
  tx: Tx,
  context: GraphqlContext,
  asked: AskedPromotion,
): Promise<string> {
  const given = asked.release === null ? null : await requireRelease(tx, asked.release);
  const environment = await requireEnvironment(tx, asked.environment);
  if (given !== null) await assertVerifiedBefore(tx, given, environment);
  const { record, pipeline } = await resolveEnvironmentPipeline(tx, environment, asked.parameters);
  const makesRelease = findReleaseStep(pipeline.steps) !== undefined;
  assertReleaseFits(environment, given, makesRelease);
  return storePromotion(tx, context, {
    environment: environment.name,
    releaseDigest: given?.releaseDigest ?? (await storeNothing(tx)),
    kind: 'promote',
    parameters: asked.parameters,
    data: isPipelineTemplate(record.body)
      ? { pipeline: record.name, parameters: Object.keys(asked.parameters).sort() }
      : {},
    // Of a team's pipeline they are known when its rules are frozen: a newer version may be there by then.
    steps: isPipelineTemplate(record.body) ? [] : record.body.steps,
  });
}

/**
 * Checks what must hold of a release and an environment when a promotion is asked for.
 * @param release null where none is named
 * @throws RefusalException for the first thing that does not
 */
export async function assertPromotable(
  tx: Tx,
  environment: EnvironmentRecord,
  release: ReleaseRecord | null,
  makesRelease: boolean,
): Promise<void> {
  if (release !== null) {
    assertSomething(release);
    await assertVerifiedBefore(tx, release, environment);
  }
  assertReleaseFits(environment, release, makesRelease);
}

async function requireRelease(tx: Tx, digest: string): Promise<ReleaseRecord> {
  const release = await findRelease(tx, digest);
  if (release === undefined) {
    throw notFound('release-unknown', `There is no release ${digest}; create it first.`);
  }
  assertSomething(release);
  return release;
}

function assertSomething({ body }: ReleaseRecord): void {
  if (!isNothing(body)) return;
  throw stateConflict(
    'release-is-nothing',
    'An empty release is put somewhere by a rollback only; call rollbackEnvironment with NOTHING.',
  );
}

async function assertVerifiedBefore(
  tx: Tx,
  { releaseDigest, name, version }: ReleaseRecord,
  environment: EnvironmentRecord,
): Promise<void> {
  for (const predecessor of environment.predecessors) {
    if (await isVerified(tx, { environment: predecessor, releaseDigest })) continue;
    throw stateConflict(
      'predecessor-not-verified',
      `${name} ${version} is not verified in ${predecessor}, which comes before ${environment.name}: its newest promotion there must have succeeded with every target confirmed; promote it there first.`,
    );
  }
}

/** A release is given exactly where the pipeline does not make it. */
function assertReleaseFits(
  { name, pipeline, predecessors }: EnvironmentRecord,
  given: ReleaseRecord | null,
  makesRelease: boolean,
): void {
  if (!makesRelease && given === null) {
    throw stateConflict(
      'release-required',
      `Pipeline ${pipeline} of ${name} makes no release; name the one to promote.`,
    );
  }
  if (makesRelease && given !== null) {
    throw stateConflict(
      'release-is-made-here',
      `Pipeline ${pipeline} of ${name} makes its release itself; leave the release out.`,
    );
  }
  if (makesRelease && predecessors.length > 0) {
    throw stateConflict(
      'predecessor-not-verified',
      `What ${name} makes can't have been verified in ${predecessors.join(' and ')} before; let an environment make it that comes after none.`,
    );
  }
}
