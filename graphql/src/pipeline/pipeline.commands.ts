import { Injectable } from '@nestjs/common';
import {
  insertEvent,
  isPersistenceError,
  publishPipeline,
  readPipelineLibrary,
  type Tx,
} from '@sluice/persistence';
import {
  BUILT_IN_STEP_TYPES,
  type ParsedPipeline,
  type PipelineProblem,
  parsePipeline,
  validatePipeline,
} from '@sluice/pipeline';
import { digestOf, digestOfBytes } from '@sluice/pure';
import { answerCommand } from '../common/answer-command.ts';
import { type GraphqlContext, principalOf } from '../common/graphql-context.ts';
import { RefusalException } from '../common/refusal.ts';
import { listApprovalLosses } from './approval-losses.ts';
import { getPipelineVersion } from './find-pipeline.ts';
import { pipelineVersionView } from './pipeline.view.ts';
import { isBuiltInPipeline } from './pipeline-template.ts';
import { type PipelineProblemView, pipelineInvalid, problemViews } from './problem.view.ts';
import type { PublishPipelineInput } from './publish-pipeline.input.ts';

/** What the first call under a key answered. */
interface Published {
  readonly name: string;
  readonly version: number;
  readonly published: boolean;
  readonly warnings: readonly PipelineProblemView[];
}

/** Mutations of pipelines. */
@Injectable()
export class PipelineCommands {
  /** Stores a version of a pipeline, when nothing is wrong with it. */
  async publish(context: GraphqlContext, { text, idempotencyKey }: PublishPipelineInput) {
    const parsed = parsePipeline(text);
    return context.inTenant(async (tx) => {
      const answer = await answerCommand(
        tx,
        context,
        'publishPipeline',
        idempotencyKey,
        { text: digestOfBytes(text) },
        () => publish(tx, context, parsed),
      );
      const { name, version, published, warnings } = answer;
      const pipeline = pipelineVersionView(await getPipelineVersion(tx, name, version));
      return { __typename: 'PublishedPipeline' as const, pipeline, published, warnings };
    });
  }
}

async function publish(
  tx: Tx,
  context: GraphqlContext,
  parsed: ParsedPipeline,
): Promise<Published> {
  const { positions } = parsed;
  const template = parsed.ok ? parsed.template : parsed.draft?.template;
  if (template === undefined) throw invalid(parsed.ok ? [] : parsed.problems);
  const options = {
    stepTypes: BUILT_IN_STEP_TYPES,
    pipelines: await readPipelineLibrary(tx, template),
    positions,
  };
  const problems = parsed.ok
    ? [...validatePipeline(parsed.template, options)]
    : [
        ...parsed.problems,
        ...validatePipeline(template, { ...options, lost: parsed.draft?.lost ?? [] }),
      ].sort(byPlace);
  const { name, version } = template;
  if (isBuiltInPipeline(name)) problems.push(reserved(name, positions.find(['name'])));
  if (!parsed.ok || problems.some(({ severity }) => severity === 'error')) throw invalid(problems);
  const losses = await listApprovalLosses(tx, parsed.template, positions);
  if (losses.length > 0) throw invalid([...problems, ...losses]);
  const digest = digestOf(parsed.template);
  const published = await store(tx, context, parsed.template, digest);
  if (published) {
    await insertEvent(tx, {
      type: 'pipeline.published',
      actor: `principal:${principalOf(context).principalId}`,
      subject: `pipeline:${name}`,
      data: { version, digest },
      traceId: context.traceId,
    });
  }
  return { name, version, published, warnings: problemViews(problems) };
}

/** True when it was not there before. */
async function store(
  tx: Tx,
  context: GraphqlContext,
  template: Extract<ParsedPipeline, { ok: true }>['template'],
  digest: string,
): Promise<boolean> {
  const { principalId } = principalOf(context);
  try {
    const stored = await publishPipeline(tx, { template, publishedBy: principalId });
    return stored.published;
  } catch (error) {
    if (!isPersistenceError(error, 'pipeline-version-taken')) throw error;
    const { name, version } = template;
    const { pipelineDigest } = await getPipelineVersion(tx, name, version);
    throw new RefusalException({
      __typename: 'PipelineVersionTaken',
      code: 'pipeline-version-taken',
      message: `${name}@${version} was published before with other content (its digest is ${pipelineDigest}, this one's is ${digest}); a version never changes: give the changed one the next version.`,
      publishedDigest: pipelineDigest,
    });
  }
}

function invalid(problems: readonly PipelineProblem[]): RefusalException {
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  return pipelineInvalid(
    `The pipeline has ${errors} ${errors === 1 ? 'error' : 'errors'}; mend what \`problems\` says, and publish it again.`,
    problems,
  );
}

function reserved(name: string, at: PipelineProblem['at']): PipelineProblem {
  return {
    code: 'pipeline-name-reserved',
    severity: 'error',
    message: `Sluice keeps the name ${name} for a pipeline of its own.`,
    suggestion: 'Give it another name.',
    at,
  };
}

function byPlace({ at: a }: PipelineProblem, { at: b }: PipelineProblem): number {
  return a.line - b.line || a.column - b.column;
}
