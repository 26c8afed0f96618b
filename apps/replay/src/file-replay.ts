import type { FoundMismatch } from './first-mismatch.ts';
import type { ReplayResult } from './replay-result.ts';

/** A result whose mismatch nobody looked for a build for, and what that search needs to know. */
export interface FileReplay {
  readonly result: Omit<ReplayResult, 'mismatch'> & { readonly mismatch?: FoundMismatch };
  readonly recordedBy: {
    readonly buildIds: readonly string[];
    readonly bundleDigests: readonly string[];
  };
}

/** The result of a file that could not be read or replayed. */
export function unreadable(file: string, error: unknown, seconds: number): FileReplay {
  const { code = 'replay-failed', message = String(error) } = error as {
    code?: string;
    message?: string;
  };
  return {
    recordedBy: { buildIds: [], bundleDigests: [] },
    result: {
      file,
      workflowId: null,
      runId: null,
      workflowType: null,
      status: null,
      events: 0,
      outcome: 'unreadable',
      seconds,
      problem: { code, message: message.slice(0, 1000) },
    },
  };
}
