import {
  BUILT_IN_PIPELINES,
  type Environment,
  type PipelineTemplate,
  pipelineRefText,
  type ResolvedPipeline,
  type Target,
} from '@sluice/domain';
import {
  BUILT_IN_STEP_TYPES,
  type PipelineProblem,
  renderPipeline,
  validatePipeline,
} from '@sluice/pipeline';
import { digestOf } from '@sluice/pure';
import { judgeRouters } from './judge-routers.ts';
import type { ConfigurationDraft } from './parse-configuration.ts';
import type { PipelineFile } from './read-pipelines.ts';
import type { ValueReader } from './value-reader.ts';

/** What is published already. */
export interface PublishedPipelines {
  /** One version, or the newest; undefined when there is none. */
  find(
    name: string,
    version: number | null,
  ): Promise<
    { readonly name: string; readonly version: number; readonly pipelineDigest: string } | undefined
  >;
  /** All that a pipeline extends or contains and that is published, by `name@version`. */
  library(template: PipelineTemplate): Promise<ReadonlyMap<string, PipelineTemplate>>;
}

/**
 * Notes everything that is wrong with the pipelines of a configuration, and with what its environments make of them. The environments stay as
 * they are written: where a pipeline asks people and the environment has no rule, freezing a promotion's rules gives it the default one. A rule
 * of the environment itself would bind every deployment, also those that the pipeline makes before it asks.
 */
export async function judgePipelines(
  { configuration, pipelineFiles, reader }: ConfigurationDraft,
  published: PublishedPipelines,
): Promise<void> {
  const own = new Map<string, PipelineTemplate>();
  for (const file of pipelineFiles) {
    if (!file.parsed.ok) continue;
    const name = pipelineRefText(file.parsed.template);
    if (own.has(name)) {
      reader.refuse(file.path, `${name} stands in another file too`, 'give one the next version');
    } else own.set(name, file.parsed.template);
  }
  for (const file of pipelineFiles) await judgeFile(reader, file, own, published);
  for (const [index, environment] of configuration.environments.entries()) {
    const path = `environments[${index}]`;
    const { routers } = configuration;
    await judgeEnvironment({ reader, own, published, path, routers }, environment);
  }
}

async function judgeFile(
  reader: ValueReader,
  { path, parsed }: PipelineFile,
  own: ReadonlyMap<string, PipelineTemplate>,
  published: PublishedPipelines,
): Promise<void> {
  if (!parsed.ok) {
    const { draft, positions } = parsed;
    const pipelines = draft === null ? own : await libraryOf(draft.template, own, published);
    const options = { stepTypes: BUILT_IN_STEP_TYPES, pipelines, positions };
    const more =
      draft === null ? [] : validatePipeline(draft.template, { ...options, lost: draft.lost });
    for (const problem of [...parsed.problems, ...more]) note(reader, path, problem);
    return;
  }
  const { template, positions } = parsed;
  const pipelines = await libraryOf(template, own, published);
  const options = { stepTypes: BUILT_IN_STEP_TYPES, pipelines, positions };
  for (const problem of validatePipeline(template, options)) note(reader, path, problem);
  const { name, version } = template;
  if (BUILT_IN_PIPELINES.some((pipeline) => pipeline.name === name)) {
    reader.refuse(path, `Sluice keeps the name ${name} for its own`, 'give it another name');
    return;
  }
  const known = await published.find(name, version);
  if (known === undefined || known.pipelineDigest === digestOf(template)) return;
  reader.refuse(
    path,
    `${name}@${version} was published with other content, and a version never changes`,
    'give the changed one the next version',
  );
}

/** What the judgement of one environment looks at. */
interface Judgement {
  readonly reader: ValueReader;
  readonly own: ReadonlyMap<string, PipelineTemplate>;
  readonly published: PublishedPipelines;
  readonly path: string;
  /** Of the whole configuration. */
  readonly routers: readonly Target[];
}

async function judgeEnvironment(judgement: Judgement, environment: Environment): Promise<void> {
  const { reader, own, published, path, routers } = judgement;
  const { pipeline: name, pipelineVersion = null } = environment;
  if (name === '' || BUILT_IN_PIPELINES.some((pipeline) => pipeline.name === name)) {
    return;
  }
  const template = newestOf(own, name, pipelineVersion);
  const known = await published.find(name, pipelineVersion);
  if (template === undefined && known === undefined) {
    const named = pipelineVersion === null ? name : `${name}@${pipelineVersion}`;
    reader.refuse(
      `${path}.pipeline`,
      `there is no pipeline ${named}`,
      'add its file to `pipelines`, or publish it',
    );
    return;
  }
  // What was published elsewhere is judged when a promotion is asked for: it must not keep this process from starting.
  if (template === undefined || (known !== undefined && known.version > template.version)) {
    return;
  }
  const resolved = await resolveFor(judgement, environment, template);
  if (resolved === null) return;
  judgeDeadline(judgement, environment, resolved);
  judgeRouters(reader, path, environment.name, resolved, routers);
  const isAsked = resolved.steps.some(({ type }) => type.startsWith('approval@'));
  if (!isAsked && environment.approval !== null) {
    reader.refuse(
      `${path}.approval`,
      `the pipeline ${name}@${template.version} asks nobody`,
      'remove it, or give the pipeline an approval step',
    );
  }
}

/** A promotion is refused for it, so it is told before there is one. */
function judgeDeadline(
  { reader, path }: Judgement,
  { deadlines: { promotionSeconds } }: Environment,
  resolved: ResolvedPipeline,
): void {
  const problems = validatePipeline(resolved, {
    stepTypes: BUILT_IN_STEP_TYPES,
    parameters: {},
    deadlineSeconds: promotionSeconds,
  });
  for (const { code, severity, message, suggestion } of problems) {
    if (severity !== 'error' || code !== 'deadline-cannot-hold') continue;
    const what = `${message.replace(/\.$/, '')} [${code}]`;
    const how = suggestion?.replace(/\.$/, '') ?? 'give the promotion longer';
    reader.refuse(`${path}.deadlines.promotionSeconds`, what, how);
  }
}

async function resolveFor(
  { reader, own, published, path }: Judgement,
  { name, pipelineParameters = {} }: Environment,
  template: PipelineTemplate,
): Promise<ResolvedPipeline | null> {
  const pipelines = await libraryOf(template, own, published);
  const options = { environment: name, pipelines, stepTypes: BUILT_IN_STEP_TYPES };
  const rendered = renderPipeline(template, { ...options, parameters: pipelineParameters });
  if (rendered.ok) return rendered.pipeline;
  for (const { code, message, suggestion, at } of rendered.problems) {
    // What it has no value for a promotion may give.
    if (code === 'parameter-missing') continue;
    const isParameter = at.path.startsWith('parameters.');
    const place = isParameter ? `${path}.${at.path}` : `${path}.pipeline`;
    reader.refuse(place, `${message} [${code}]`, suggestion ?? 'see sluice pipeline validate');
  }
  return null;
}

async function libraryOf(
  template: PipelineTemplate,
  own: ReadonlyMap<string, PipelineTemplate>,
  published: PublishedPipelines,
): Promise<ReadonlyMap<string, PipelineTemplate>> {
  const library = new Map(await published.library(template));
  // Those of this file may name published ones in their turn.
  for (const [name, each] of own) {
    for (const [other, body] of await published.library(each)) library.set(other, body);
    library.set(name, each);
  }
  return library;
}

function newestOf(
  own: ReadonlyMap<string, PipelineTemplate>,
  name: string,
  version: number | null,
): PipelineTemplate | undefined {
  if (version !== null) return own.get(pipelineRefText({ name, version }));
  return [...own.values()]
    .filter((template) => template.name === name)
    .reduce<PipelineTemplate | undefined>(
      (newest, each) => (newest === undefined || each.version > newest.version ? each : newest),
      undefined,
    );
}

/** Warnings are told when a pipeline is checked by hand. */
function note(reader: ValueReader, path: string, problem: PipelineProblem): void {
  const { severity, code, message, suggestion, at } = problem;
  if (severity !== 'error') return;
  const place = `${at.file}:${at.line}:${at.column}`;
  const what = `${place}: ${message.replace(/\.$/, '')} [${code}]`;
  reader.refuse(path, what, suggestion?.replace(/\.$/, '') ?? 'mend it there');
}
