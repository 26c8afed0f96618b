import { fileURLToPath } from 'node:url';
import { WORKFLOW_INTERCEPTORS } from '@sluice/temporal-client';
import type { WorkflowBundle } from '@temporalio/worker';
import { bundleWorkflowCode } from '@temporalio/worker';
import { bundleOnce } from './bundle-cache.ts';

const WORKFLOWS = new URL('../../../workflows/src/', import.meta.url);

/** The entry of the real workflows, for {@link bundleSources}. */
export const WORKFLOWS_ENTRY = fileURLToPath(new URL('index.ts', WORKFLOWS));

/**
 * Bundles workflow sources as the build does, but from TypeScript: packages of this repository resolve to their `src`.
 * @param entry absolute path of the module whose exports become workflow types
 * @param interceptors absolute paths of modules with more interceptors, for tests
 */
export async function bundleSources(
  entry: string = WORKFLOWS_ENTRY,
  interceptors: readonly string[] = [],
): Promise<WorkflowBundle> {
  const bundle = (): Promise<WorkflowBundle> =>
    bundleWorkflowCode({
      workflowsPath: entry,
      workflowInterceptorModules: [WORKFLOW_INTERCEPTORS, ...interceptors],
      failureConverterPath: fileURLToPath(new URL('failure-converter.ts', WORKFLOWS)),
      logger: quietLogger,
      webpackConfigHook: (config) => ({
        ...config,
        resolve: { ...config.resolve, conditionNames: ['sluice-source', 'import', 'require'] },
      }),
    });
  // Another entry has modules of its own that nobody has told of.
  return entry === WORKFLOWS_ENTRY ? bundleOnce(interceptors, bundle) : bundle();
}

const nothing = (): void => undefined;
const quietLogger = {
  log: nothing,
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: (message: string): void => console.warn(message),
  error: (message: string): void => console.error(message),
};
