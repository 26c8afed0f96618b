import type { WorkflowBundle } from '@temporalio/worker';

/**
 * The same code, whose errors have no stack. The SDK takes a stack of every promise that a workflow makes, for a query that nobody asks
 * here: without frames that costs next to nothing, with them several times what the workflow does. SLUICE_TEST_LOG gives the stacks back.
 */
export function withoutStackTraces(bundle: WorkflowBundle): { readonly code: string } {
  if (!('code' in bundle)) throw new Error('A bundle without its code cannot be changed.');
  if (process.env.SLUICE_TEST_LOG !== undefined) return bundle;
  return { code: `Error.stackTraceLimit = 0;\n${bundle.code}` };
}
