import type { PipelineTemplate } from '@sluice/domain';
import type { PipelineProblem } from '../problem.ts';
import { createLineIndex } from './line-index.ts';
import { createNearestName } from './nearest.ts';
import { draftOf, type PipelineDraft } from './pipeline-draft.ts';
import { readPipelineText } from './pipeline-text.ts';
import { createPositions, type PipelinePositions, positionsWithoutText } from './positions.ts';
import { orderProblems } from './problem-order.ts';
import { readYaml, type TextFault } from './read-yaml.ts';
import { findStructureErrors } from './structure.ts';
import { structureProblems } from './structure-problems.ts';

/** A pipeline that was read, or everything that is wrong with its text. */
export type ParsedPipeline =
  | {
      readonly ok: true;
      readonly template: PipelineTemplate;
      readonly positions: PipelinePositions;
    }
  | {
      readonly ok: false;
      readonly problems: readonly PipelineProblem[];
      readonly positions: PipelinePositions;
      /** What can be judged further though; null where too little is left. */
      readonly draft: PipelineDraft | null;
    };

/**
 * Reads a pipeline from YAML 1.2 or JSON: at most 1 MiB of UTF-8, one document, without anchors, aliases, tags, directives and merge keys.
 * Never throws for a text. The form is that of the published JSON Schema; what it means is judged by `validatePipeline`.
 *
 * @param source text, or bytes that should be UTF-8
 * @param options `file` is how problems name the text; `-` when absent
 */
export function parsePipeline(
  source: string | Uint8Array,
  options: { readonly file?: string } = {},
): ParsedPipeline {
  const file = options.file ?? '-';
  const read = readPipelineText(source, file);
  const nowhere = positionsWithoutText(null, file);
  if (!read.ok) return { ok: false, problems: read.problems, positions: nowhere, draft: null };
  const { root, faults } = readYaml(read.text);
  const lineColumn = createLineIndex(read.text);
  const said = faults.map((fault) => problemOf(fault, file, lineColumn));
  if (root === null) {
    return { ok: false, problems: orderProblems(said), positions: nowhere, draft: null };
  }
  const positions = createPositions(read.text, file, root);
  const errors = findStructureErrors(root.value);
  if (errors.length === 0 && said.length === 0) {
    return { ok: true, template: withoutSchema(root.value) as PipelineTemplate, positions };
  }
  // A value that can't be kept is said once: what it was put in for it is not what was meant.
  const placed = new Set(said.map(({ at }) => `${at.line}:${at.column}`));
  const found = structureProblems(errors, root.value, positions, createNearestName()).filter(
    ({ at }) => at.path === '' || !placed.has(`${at.line}:${at.column}`),
  );
  const draft = draftOf(withoutSchema(root.value), errors);
  return { ok: false, problems: orderProblems([...said, ...found]), positions, draft };
}

/** Without the name of its JSON Schema: editors read it, and it is no part of the pipeline. */
function withoutSchema(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const { $schema: _, ...rest } = value as Readonly<Record<string, unknown>>;
  return rest;
}

function problemOf(
  fault: TextFault,
  file: string,
  lineColumn: ReturnType<typeof createLineIndex>,
): PipelineProblem {
  const first = fault.other === undefined ? null : lineColumn(fault.other);
  return {
    code: fault.code,
    severity: 'error',
    message:
      first === null
        ? fault.message
        : `${fault.message.replace(/\.$/, '')}; first at ${first.line}:${first.column}.`,
    suggestion: fault.suggestion,
    at: { file, ...lineColumn(fault.offset), path: '' },
  };
}
