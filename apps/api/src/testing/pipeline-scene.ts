import {
  type Course,
  composeCourse,
  DEFAULT_DEADLINES,
  type Pipeline,
  type PipelineTemplate,
  type ResolvedPipeline,
} from '@sluice/domain';
import {
  appendLogChunks,
  closeStepLog,
  insertMembers,
  insertResolvedPipeline,
  insertSteps,
  openStepLog,
  publishPipeline,
  type StepLogKey,
  settleMembers,
  storeRules,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import {
  BUILT_IN_STEP_TYPES,
  parsePipeline,
  renderPipeline,
  resolvedPipelineDigest,
} from '@sluice/pipeline';
import { digestOf, digestOfBytes } from '@sluice/pure';
import { TENANT, type TestApi } from './test-api.ts';

/** Name of the pipeline that tests publish. */
export const SAMPLE = 'sample';

/** A small pipeline as a team writes it: a parameter, a matrix, a compensation. */
export function pipelineText(version: number, seconds = 20, name = SAMPLE): string {
  return `schema: sluice.pipeline/v2
name: ${name}
version: ${version}
description: Scans, decides, deploys region by region
parameters:
  region:
    schema: { type: string }
    default: eu
steps:
  - id: scan
    type: scan@1
  - id: gate
    type: gate@1
    needs: [scan]
  - id: plan
    type: plan@1
    needs: [gate]
  - id: pause
    type: wait@1
    needs: [plan]
    inputs: { seconds: ${seconds} }
  - id: deploy
    description: Zone by zone
    type: deploy@1
    needs: [pause]
    matrix:
      over: { targets: { zone: a } }
      maxParallel: 2
  - id: verify
    type: verify@1
    needs: [deploy]
`;
}

/** The sample as the library reads it. */
export function samplePipeline(version: number, seconds?: number): PipelineTemplate {
  const parsed = parsePipeline(pipelineText(version, seconds));
  if (parsed.ok) return parsed.template;
  throw new Error(JSON.stringify(parsed.problems));
}

/** Publishes a version of the sample, as `publishPipeline` would. */
export async function publishSample(api: TestApi, version: number): Promise<void> {
  const template = samplePipeline(version);
  await withTenant(api.appPool, TENANT, (tx) =>
    publishPipeline(tx, { template, publishedBy: 'admin' }),
  );
}

/** Freezes the rules of a promotion as its first activity would: a pipeline of a team, resolved, with its steps. */
export async function freezePipeline(
  tx: Tx,
  promotionId: string,
  template: PipelineTemplate,
): Promise<ResolvedPipeline> {
  const rendered = renderPipeline(template, {
    pipelines: new Map(),
    stepTypes: BUILT_IN_STEP_TYPES,
  });
  if (!rendered.ok) throw new Error(JSON.stringify(rendered.problems));
  const { pipeline } = rendered;
  const digest = resolvedPipelineDigest(pipeline);
  await insertResolvedPipeline(tx, { digest, body: pipeline });
  const course: Course = composeCourse(pipeline, BUILT_IN_STEP_TYPES, new Map());
  const rules = {
    releaseDigest: digestOfBytes('release'),
    pipeline: course,
    pipelineDigest: digest,
    policyDigest: digestOfBytes('policy'),
    targets: [],
    deadlines: DEFAULT_DEADLINES,
    form: 3 as const,
  };
  await storeRules(tx, promotionId, { ...rules, rulesDigest: digestOf(rules) });
  await insertSteps(tx, promotionId, course.steps);
  return pipeline;
}

/** One of Sluice's own as a team would write it. */
export function asTemplate({ name, steps }: Pipeline): PipelineTemplate {
  return {
    schema: 'sluice.pipeline/v2',
    name: `team-${name}`,
    version: 1,
    steps: steps.map(({ id, type, needs }) => ({ id, type, needs })),
  };
}

/** Members of a step, the first half of them succeeded, the others failed. */
export async function addMembers(
  tx: Tx,
  promotionId: string,
  stepId: string,
  keys: readonly string[],
): Promise<void> {
  const set = { promotionId, stepId, round: 1 };
  const members = keys.map((key) => ({ key, target: null, value: key }));
  await insertMembers(tx, set, members);
  const half = Math.ceil(keys.length / 2);
  await settleMembers(
    tx,
    set,
    keys.map((key, at) =>
      at < half
        ? { key, state: 'succeeded' as const }
        : { key, state: 'failed' as const, reason: { code: 'x', message: 'It did not work.' } },
    ),
  );
}

/** A log of a step; gives the place where it stands. */
export function logKey(promotionId: string, stepId: string, memberKey = ''): StepLogKey {
  return { promotionId, stepId, round: 1, memberKey, stream: 'run' };
}

/** Writes a log as a step would: pieces, and its end where a text is kept. */
export async function writeLog(
  api: TestApi,
  key: StepLogKey,
  pieces: readonly string[],
  end = true,
): Promise<number> {
  const text = pieces.join('');
  const kept = end ? await api.evidence.put(text, { maxBytes: 10_000_000 }) : undefined;
  return withTenant(api.workerPool, TENANT, async (tx) => {
    const attempt = await openStepLog(tx, key);
    let byteOffset = 0;
    const chunks = pieces.map((piece, at) => {
      const chunk = { seq: at + 1, byteOffset, text: piece };
      byteOffset += Buffer.byteLength(piece);
      return chunk;
    });
    if (chunks.length > 0) await appendLogChunks(tx, { ...key, attempt }, chunks);
    if (kept !== undefined) {
      const bytes = Buffer.byteLength(text);
      await closeStepLog(
        tx,
        { ...key, attempt },
        { digest: kept.digest, bytes, truncatedBytes: 0 },
      );
    }
    return attempt;
  });
}
