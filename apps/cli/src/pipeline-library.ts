import type { PipelineTemplate } from '@sluice/domain';
import {
  BUILT_IN_STEP_TYPES,
  type ParsedPipeline,
  PIPELINE_UNKNOWN_ADVICE,
  type PipelineProblem,
  parsePipeline,
  validatePipeline,
} from '@sluice/pipeline';
import type { PipelineSource } from './pipeline-sources.ts';

/** A text that was read as a pipeline. */
export interface LoadedPipeline {
  readonly source: PipelineSource;
  readonly parsed: ParsedPipeline;
  /** What of it can be judged; null where too little is left. */
  readonly template: PipelineTemplate | null;
  /** `deploy@2`; null where its form does not say so. */
  readonly name: string | null;
}

/** Reads a text; never throws for what is in it. */
export function loadPipeline(source: PipelineSource): LoadedPipeline {
  const parsed = parsePipeline(source.bytes, { file: source.file });
  const template = parsed.ok ? parsed.template : (parsed.draft?.template ?? null);
  const isNamed = template !== null && (parsed.ok || hasName(parsed.problems, template));
  return { source, parsed, template, name: isNamed ? nameOf(template) : null };
}

/** `deploy@2`. */
export function nameOf({ name, version }: PipelineTemplate): string {
  return `${name}@${version}`;
}

/** Pipelines by name, the first of each; those with faults in their form too, so that nobody is told that they are missing. */
export function pipelinesByName(
  loaded: readonly LoadedPipeline[],
): ReadonlyMap<string, PipelineTemplate> {
  const named = new Map<string, PipelineTemplate>();
  for (const { name, template } of loaded) {
    if (name !== null && template !== null && !named.has(name)) named.set(name, template);
  }
  return named;
}

/** What is asked of pipelines beyond what they say themselves. */
export interface JudgeOptions {
  /** How long a promotion may take. Seconds; no bound when absent. */
  readonly deadlineSeconds?: number;
}

/** Everything that is wrong with each of some files, in their order; they know each other by name and version. */
export function findProblems(
  loaded: readonly LoadedPipeline[],
  asked: JudgeOptions = {},
): readonly (readonly PipelineProblem[])[] {
  const pipelines = pipelinesByName(loaded);
  const firsts = new Map<string, string>();
  return loaded.map((each) => {
    const problems = judge(each, pipelines, asked).map(withNext);
    const { name, parsed, source } = each;
    if (name === null || !parsed.ok) return problems;
    const first = firsts.get(name);
    if (first !== undefined) return [...problems, twice(each, name, first)];
    firsts.set(name, source.file);
    return problems;
  });
}

/** What is wrong with one pipeline among others, in the order of its text. */
export function judge(
  { parsed }: LoadedPipeline,
  pipelines: ReadonlyMap<string, PipelineTemplate>,
  asked: JudgeOptions = {},
): readonly PipelineProblem[] {
  const { positions } = parsed;
  const options = { ...asked, stepTypes: BUILT_IN_STEP_TYPES, pipelines, positions };
  if (parsed.ok) return validatePipeline(parsed.template, options);
  const { draft, problems } = parsed;
  if (draft === null) return problems;
  const found = validatePipeline(draft.template, { ...options, lost: draft.lost });
  return [...problems, ...found].sort(
    ({ at: a }, { at: b }) => a.line - b.line || a.column - b.column,
  );
}

/** Where a pipeline is missing, that its file may only not have been named. */
export function withNext(problem: PipelineProblem): PipelineProblem {
  const { code, suggestion } = problem;
  const isNear = suggestion !== null && suggestion !== PIPELINE_UNKNOWN_ADVICE;
  if (code !== 'pipeline-unknown' || isNear) return problem;
  return { ...problem, suggestion: 'Name its file, or its folder, on the command line too.' };
}

function twice({ parsed }: LoadedPipeline, name: string, first: string): PipelineProblem {
  return {
    code: 'pipeline-twice',
    severity: 'error',
    message: `${name} stands in ${first} too, and a version is one text for ever.`,
    suggestion: 'Give the changed one the next version, or leave one of the files out.',
    at: parsed.positions.find(['name']),
  };
}

/** False where the draft's name or version is made up. */
function hasName(problems: readonly PipelineProblem[], template: PipelineTemplate): boolean {
  const isMadeUp = problems.some(({ at }) => at.path === 'name' || at.path === 'version');
  return !isMadeUp && template.name !== 'lost';
}
