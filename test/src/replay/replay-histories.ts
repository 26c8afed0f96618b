import type { WorkflowBundle } from '@temporalio/worker';
import { Worker } from '@temporalio/worker';
import { withoutStackTraces } from '../workflows/without-stack-traces.ts';
import type { HistoryFile } from './history-file.ts';

/** What came of replaying one history; `problem` is absent when today's code does what was recorded. */
export interface ReplayOutcome {
  readonly name: string;
  readonly problem?: string;
}

/**
 * Replays histories against one bundle, without a server. A replay worker takes one history at a time and returns errors
 * instead of throwing them; several of them share the work.
 * @param lanes how many replay workers run at once
 * @returns one outcome for each history, in their order
 */
export async function replayHistories(
  bundle: WorkflowBundle,
  files: readonly HistoryFile[],
  lanes = 2,
): Promise<readonly ReplayOutcome[]> {
  const workflowBundle = withoutStackTraces(bundle);
  const problems = new Map<string, string | undefined>();
  const shares = Array.from({ length: lanes }, (_, lane) =>
    files.filter((_file, index) => index % lanes === lane),
  );
  await Promise.all(
    shares.map(async (share) => {
      if (share.length === 0) return;
      // Two histories may have one workflow id; the replayer gives back only that.
      const histories = share.map(({ name, history }) => ({ workflowId: name, history }));
      const results = Worker.runReplayHistories({ workflowBundle }, histories);
      for await (const { workflowId, error } of results) {
        problems.set(workflowId, error?.message);
      }
    }),
  );
  return files.map(({ name }) => {
    if (!problems.has(name)) return { name, problem: 'was not replayed' };
    const problem = problems.get(name);
    return problem === undefined ? { name } : { name, problem };
  });
}
