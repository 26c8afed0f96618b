import {
  composeCourse,
  findReleaseStep,
  type PipelineTemplate,
  type ResolvedPipeline,
} from '@sluice/domain';
import {
  type EnvironmentRecord,
  findPipeline,
  findPipelineVersion,
  getRelease,
  insertResolvedPipeline,
  type PipelineRecord,
  type PromotionRecord,
  readPipelineLibrary,
  type Tx,
} from '@sluice/persistence';
import {
  BUILT_IN_STEP_TYPES,
  type PipelineProblem,
  resolvedPipelineDigest,
  resolveForPromotion,
} from '@sluice/pipeline';
import { findConditionReads, NOTHING_DIGEST } from '@sluice/pure';
import { FAILURES, type FrozenRules, type PromotionFacts } from '@sluice/temporal-contract';
import { activityFailure } from '../failures.ts';

/** Problems of a pipeline that a failure tells. */
const TOLD_PROBLEMS = 20;

/** The rules of a promotion that runs a team's pipeline, beside those that every promotion has. */
export type CourseRules = Pick<
  FrozenRules,
  'pipeline' | 'pipelineDigest' | 'parameters' | 'facts' | 'undoesEarlierRuns'
> & { readonly form: 3 };

/** The pipeline that an environment names: its newest version, or the one that it holds to. */
export async function readPipelineOf(
  tx: Tx,
  { name, pipeline, pipelineVersion }: EnvironmentRecord,
): Promise<PipelineRecord> {
  const found =
    pipelineVersion === null
      ? await findPipeline(tx, pipeline)
      : await findPipelineVersion(tx, pipeline, pipelineVersion);
  if (found !== undefined) return found;
  const version = pipelineVersion === null ? '' : `version ${pipelineVersion} of `;
  throw invalid(
    `Environment ${name} runs ${version}pipeline ${pipeline}, and it was never published: publish it, or name another one in the configuration.`,
  );
}

/**
 * Renders and checks a team's pipeline for a promotion, stores what comes of it by its digest, and makes the course of it.
 * @throws ApplicationFailure `InvalidInput` with everything that stands in the way
 */
export async function freezeCourse(
  tx: Tx,
  promotion: PromotionRecord,
  environment: EnvironmentRecord,
  template: PipelineTemplate,
): Promise<CourseRules> {
  const resolved = await resolve(tx, promotion, environment, template);
  checkRelease(promotion, resolved);
  const pipelineDigest = resolvedPipelineDigest(resolved);
  await insertResolvedPipeline(tx, { digest: pipelineDigest, body: resolved });
  const isControl = (type: string): boolean =>
    BUILT_IN_STEP_TYPES.get(type as `${string}@${number}`)?.kind === 'control';
  const reads = findConditionReads(resolved, isControl);
  const parameters = Object.entries(resolved.parameters).map(([name, parameter]) => [
    name,
    parameter.default,
  ]);
  return {
    pipeline: composeCourse(resolved, BUILT_IN_STEP_TYPES, reads),
    pipelineDigest,
    form: 3,
    parameters: Object.fromEntries(parameters),
    facts: await readFacts(tx, promotion),
    undoesEarlierRuns: true,
  };
}

async function resolve(
  tx: Tx,
  promotion: PromotionRecord,
  environment: EnvironmentRecord,
  template: PipelineTemplate,
): Promise<ResolvedPipeline> {
  const resolved = resolveForPromotion(template, {
    environment: environment.name,
    // What the configuration sets cannot be given with a promotion.
    parameters: { ...promotion.parameters, ...environment.pipelineParameters },
    pipelines: await readPipelineLibrary(tx, template),
    stepTypes: BUILT_IN_STEP_TYPES,
    deadlineSeconds: environment.deadlines.promotionSeconds,
  });
  if (!resolved.ok) throw unusable(template, environment, resolved.problems);
  return resolved.pipeline;
}

function unusable(
  { name, version }: PipelineTemplate,
  environment: EnvironmentRecord,
  problems: readonly PipelineProblem[],
): Error {
  const told = problems.slice(0, TOLD_PROBLEMS).map(({ message, at: { path }, suggestion }) => {
    const [line = ''] = message.split('\n');
    const advice = suggestion === null ? '' : ` ${suggestion.split('\n')[0]}`;
    return `- ${path === '' ? '' : `${path}: `}${line}${advice}`;
  });
  const more = problems.length - told.length;
  return invalid(
    [
      `Pipeline ${name}@${version} can't run in ${environment.name}: publish a version that is mended, or change the parameters, then ask for the promotion again.`,
      ...told,
      ...(more > 0 ? [`And ${more} more.`] : []),
    ].join('\n'),
  );
}

/** A promotion has a release from its beginning, or a pipeline that makes one. */
function checkRelease(
  { promotionId, releaseDigest, kind }: PromotionRecord,
  { name, version, steps }: ResolvedPipeline,
): void {
  const maker = findReleaseStep(steps);
  const isOpen = kind === 'promote' && releaseDigest === NOTHING_DIGEST;
  if (maker === undefined && isOpen) {
    throw invalid(
      `${promotionId} was asked for without a release, and no step of pipeline ${name}@${version} makes one: ask for it with a release (release-not-made).`,
    );
  }
  if (maker !== undefined && !isOpen) {
    throw invalid(
      `${promotionId} was asked for with release ${releaseDigest}, and step ${maker.id} of pipeline ${name}@${version} makes another: ask for it without one (release-given).`,
    );
  }
}

async function readFacts(tx: Tx, promotion: PromotionRecord): Promise<PromotionFacts> {
  const { promotionId, environment, kind, releaseDigest } = promotion;
  const { name, version } = await getRelease(tx, releaseDigest);
  return {
    promotion: { id: promotionId, environment, kind },
    release: { id: releaseDigest, name, version },
    environment: { name: environment },
  };
}

function invalid(message: string): Error {
  return activityFailure(FAILURES.invalidInput, message);
}
