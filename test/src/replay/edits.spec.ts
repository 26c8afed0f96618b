import { beforeAll, describe, expect, test } from '@jest/globals';
import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import { buildVariants, type WorkflowVariant } from '../workflows/variants.ts';
import { type CatalogedEdit, EDITS, type EditKind } from './edits.ts';
import { type HistoryFile, listHistoryFiles } from './history-file.ts';
import { replayHistories } from './replay-histories.ts';

const KINDS: readonly EditKind[] = ['added', 'removed', 'reordered', 'renamed', 'input or timer'];

let files: readonly HistoryFile[];
let variants: Readonly<Record<string, WorkflowVariant>>;

beforeAll(async () => {
  try {
    // What is expected to fail here is logged as a warning, by the runtime and by its core.
    const filter = makeTelemetryFilterString({ core: 'ERROR' });
    const telemetryOptions = { logging: { filter, forward: {} } };
    const logger = new DefaultLogger('ERROR', () => undefined);
    Runtime.install({ logger, telemetryOptions });
  } catch (error) {
    if ((error as Error).name !== 'IllegalStateError') throw error;
  }
  files = await listHistoryFiles();
  variants = await buildVariants(
    Object.fromEntries(EDITS.map(({ edits }, index) => [`edit-${index}`, edits])),
  );
}, 300_000);

describe.each(KINDS)('a change of the workflows: %s', (kind) => {
  test.each(rowsOf(kind))('%s: caught by %s', async (_what, caughtBy, { history }, name) => {
    const [outcome] = await replayHistories(getVariant(name), getFile(history));
    expect(outcome?.name).toBe(history);
    if (caughtBy === 'replay') expect(outcome?.problem).toMatch(/nondetermini|no such function/i);
    else expect(outcome?.problem).toBeUndefined();
  });

  test('what plain replay does not see says why', () => {
    const unseen = EDITS.filter((edit) => edit.kind === kind && edit.caughtBy !== 'replay');
    expect(unseen.filter(({ why }) => why === undefined)).toEqual([]);
  });
});

function rowsOf(kind: EditKind): [string, string, CatalogedEdit, string][] {
  return EDITS.flatMap((edit, index) =>
    edit.kind === kind ? [[edit.what, edit.caughtBy, edit, `edit-${index}`]] : [],
  );
}

function getFile(name: string): readonly HistoryFile[] {
  return files.filter((file) => file.name === name);
}

function getVariant(name: string): WorkflowVariant {
  const variant = variants[name];
  if (variant === undefined) throw new Error(`There is no variant ${name}.`);
  return variant;
}
