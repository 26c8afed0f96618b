import { DEFAULT_APPROVAL_RULE, findReleaseStep, type JsonValue } from '@sluice/domain';
import {
  type EnvironmentRecord,
  findEnvironment,
  findRelease,
  listTargetsOf,
  type ReleaseRecord,
  type Tx,
} from '@sluice/persistence';
import type { PipelineScope } from '@sluice/pure';
import { notFound, type RefusalMember, refusalOf } from '../common/refusal.ts';
import { environmentView } from '../environment/environment.view.ts';
import {
  type Parameters,
  resolveEnvironmentPipeline,
} from '../environment/environment-pipeline.ts';
import { resolvedPipelineView } from '../pipeline/pipeline.view.ts';
import { assertPromotable } from '../promotion/request-promotion.ts';
import { releaseView } from '../release/release.view.ts';
import type { PreviewPromotionArgs } from './preview.args.ts';
import { type PreviewedStep, previewSteps } from './preview-steps.ts';

/**
 * What a promotion would do, by what the records say now. Reads only.
 * @throws RefusalException for what is not there, and for a pipeline that can't be resolved like this
 */
export async function previewPromotion(tx: Tx, args: PreviewPromotionArgs) {
  const environment = await findEnvironment(tx, args.environment);
  if (environment === undefined) {
    throw notFound(
      'environment-unknown',
      `There is no environment ${args.environment}; name one that the configuration declares.`,
    );
  }
  const release = args.release == null ? null : await getRelease(tx, args.release);
  const parameters = (args.parameters ?? {}) as Parameters;
  const { pipeline } = await resolveEnvironmentPipeline(tx, environment, parameters);
  const targets = await listTargetsOf(tx, [environment.name]);
  const approval = environment.approval ?? DEFAULT_APPROVAL_RULE;
  const steps = previewSteps({
    pipeline,
    targets,
    policy: environment.policy,
    approval,
    scope: scopeOf(environment, release, pipeline.parameters),
  });
  const isAsked = pipeline.steps.some(({ type }) => type.startsWith('approval@'));
  const makesRelease = findReleaseStep(pipeline.steps) !== undefined;
  return {
    __typename: 'PromotionPreview' as const,
    environment: environmentView(environment),
    release: release === null ? null : releaseView(release),
    pipeline: resolvedPipelineView(pipeline),
    steps: steps.map(({ view }) => view),
    targets: changedTargets(
      targets.map(({ name }) => name),
      steps,
    ),
    approval: isAsked ? approval : null,
    deadlineSeconds: environment.deadlines.promotionSeconds,
    blockers: await listBlockers(tx, environment, release, targets.length, makesRelease),
  };
}

/** Each target with the steps that would change it; those that none would are left out. */
function changedTargets(
  names: readonly string[],
  steps: readonly PreviewedStep[],
): readonly { readonly targetName: string; readonly steps: readonly string[] }[] {
  const changing = new Map<string, string[]>();
  for (const { view, changedTargets: changed } of steps) {
    for (const name of changed) {
      const known = changing.get(name);
      if (known === undefined) changing.set(name, [view.id]);
      else known.push(view.id);
    }
  }
  return names.flatMap((name) => {
    const found = changing.get(name);
    return found === undefined ? [] : [{ targetName: name, steps: found }];
  });
}

async function getRelease(tx: Tx, digest: string): Promise<ReleaseRecord> {
  const release = await findRelease(tx, digest);
  if (release !== undefined) return release;
  throw notFound('release-unknown', `There is no release ${digest}; create it first.`);
}

function scopeOf(
  { name }: EnvironmentRecord,
  release: ReleaseRecord | null,
  parameters: Readonly<Record<string, { readonly default: JsonValue }>>,
): PipelineScope {
  return {
    steps: {},
    parameters: Object.fromEntries(
      Object.entries(parameters).map(([key, { default: value }]) => [key, value]),
    ),
    promotion: { environment: name, kind: 'promote' },
    release:
      release === null
        ? {}
        : { id: release.releaseDigest, name: release.name, version: release.version },
    environment: { name },
  };
}

/** Everything for which such a request would be refused now. */
async function listBlockers(
  tx: Tx,
  environment: EnvironmentRecord,
  release: ReleaseRecord | null,
  targetCount: number,
  makesRelease: boolean,
): Promise<readonly Pick<RefusalMember, 'code' | 'message'>[]> {
  const blockers: Pick<RefusalMember, 'code' | 'message'>[] = [];
  if (targetCount === 0) {
    blockers.push({
      code: 'environment-without-targets',
      message: `Environment ${environment.name} has no targets; declare one in the configuration.`,
    });
  }
  try {
    await assertPromotable(tx, environment, release, makesRelease);
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === undefined) throw error;
    blockers.push({ code: refusal.code, message: refusal.message });
  }
  return blockers;
}
