import { beforeAll, expect, test } from '@jest/globals';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { buildVariants, type WorkflowVariant } from '../workflows/variants.ts';
import { EDITS } from './edits.ts';
import { type HistoryFile, listHistoryFiles } from './history-file.ts';
import { replayHistories } from './replay-histories.ts';

let files: readonly HistoryFile[];
let variants: Readonly<Record<string, WorkflowVariant>>;

beforeAll(async () => {
  try {
    Runtime.install({ logger: new DefaultLogger('ERROR') });
  } catch (error) {
    if ((error as Error).name !== 'IllegalStateError') throw error;
  }
  files = await listHistoryFiles();
  const t = Date.now();
  variants = await buildVariants(Object.fromEntries(EDITS.map(({ edits }, i) => [`edit-${i}`, edits])));
  process.stderr.write(`bundled in ${Date.now() - t}\n`);
}, 300_000);

test.each(EDITS.map((edit, i) => [`${edit.kind}: ${edit.what}`, edit, i] as const))('%s', async (name, edit, i) => {
  const variant = variants[`edit-${i}`];
  if (!variant) throw 1;
  const t = Date.now();
  const outcomes = await replayHistories(variant, files);
  const bad = outcomes.filter(({ problem }) => problem !== undefined);
  process.stderr.write(`## ${name} [${edit.caughtBy}] ${bad.length} of ${outcomes.length} in ${Date.now() - t}\n     ${bad.slice(0,3).map(b=>b.name+' '+b.problem?.slice(0,200)).join('\n     ')}\n  history: ${bad.some(b=>b.name===edit.history)}\n`);
});
