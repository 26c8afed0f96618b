import type { PipelineTemplate } from '@sluice/domain';
import { parsePipeline } from '../parse/parse-pipeline.ts';
import type { PipelinePositions } from '../parse/positions.ts';
import { orderProblems } from '../parse/problem-order.ts';
import type { PipelineProblem } from '../problem.ts';
import { type ValidateOptions, validatePipeline } from './validate-pipeline.ts';

/** What came of reading and judging a text. */
export interface CheckedPipeline {
  /** True when there is no error; warnings may be there. */
  readonly ok: boolean;
  /** Null where its form is wrong. */
  readonly template: PipelineTemplate | null;
  readonly positions: PipelinePositions;
  /** In the order of the text. */
  readonly problems: readonly PipelineProblem[];
}

/**
 * Reads a pipeline and says everything that is wrong with it at once: where the form is wrong in places, what the rest means is judged all the
 * same. Never throws for a text.
 *
 * @param source text, or bytes that should be UTF-8
 * @param options as of `parsePipeline` and `validatePipeline`
 */
export function checkPipeline(
  source: string | Uint8Array,
  options: Omit<ValidateOptions, 'positions' | 'lost'> & { readonly file?: string },
): CheckedPipeline {
  const { file, ...rest } = options;
  const parsed = parsePipeline(source, file === undefined ? {} : { file });
  const { positions } = parsed;
  if (parsed.ok) {
    const problems = validatePipeline(parsed.template, { ...rest, positions });
    const ok = problems.every(({ severity }) => severity !== 'error');
    return { ok, template: parsed.template, positions, problems };
  }
  const { draft } = parsed;
  const found =
    draft === null
      ? []
      : validatePipeline(draft.template, { ...rest, positions, lost: draft.lost });
  const problems = orderProblems([...parsed.problems, ...found]);
  return { ok: false, template: null, positions, problems };
}
