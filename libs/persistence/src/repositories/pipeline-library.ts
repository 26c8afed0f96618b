import {
  isPipelineTemplate,
  MAX_PIPELINE_DEPTH,
  type PipelineRef,
  type PipelineTemplate,
  pipelineRefText,
  referencedPipelines,
} from '@sluice/domain';
import type { Tx } from '../transaction.ts';
import { listPipelinesByVersion } from './pipeline.repository.ts';

/** Pipelines that one is made of at most; what is beyond is left out, and so refused as unknown where it is named. */
const MAX_LIBRARY = 500;

/**
 * Everything published that a pipeline extends or contains, directly or not, by `name@version`. What is named and not there is left out:
 * who resolves or checks the pipeline says so.
 */
export async function readPipelineLibrary(
  tx: Tx,
  template: PipelineTemplate,
): Promise<ReadonlyMap<string, PipelineTemplate>> {
  const library = new Map<string, PipelineTemplate>();
  const asked = new Set<string>();
  let open: readonly PipelineRef[] = referencedPipelines(template);
  // One statement for each level; deeper ones are refused wherever pipelines are read.
  for (let level = 0; level <= MAX_PIPELINE_DEPTH + 1; level += 1) {
    const wanted = open
      .filter((ref) => !asked.has(pipelineRefText(ref)))
      .slice(0, MAX_LIBRARY - asked.size);
    if (wanted.length === 0) break;
    for (const ref of wanted) asked.add(pipelineRefText(ref));
    const next: PipelineRef[] = [];
    for (const { body } of await listPipelinesByVersion(tx, wanted)) {
      // Those that Sluice brings are neither extended nor contained.
      if (!isPipelineTemplate(body)) continue;
      library.set(pipelineRefText(body), body);
      next.push(...referencedPipelines(body));
    }
    open = next;
  }
  return library;
}
