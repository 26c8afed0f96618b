import { fileURLToPath } from 'node:url';
import { WORKFLOW_INTERCEPTORS } from '@sluice/temporal-client';
import type { WorkflowBundle } from '@temporalio/worker';
import { bundleWorkflowCode } from '@temporalio/worker';
import { bundleOnce } from './bundle-cache.ts';

const WORKFLOWS = new URL('../../../workflows/src/', import.meta.url);

/** The entry of the real workflows, for {@link bundleSources}. */
export const WORKFLOWS_ENTRY = fileURLToPath(new URL('index.ts', WORKFLOWS));

/** Does nothing until {@link editBundle} sets it to; so the fault harness needs no bundle of its own. */
const SHORT_ATTEMPTS = fileURLToPath(
  // From the build too.
  new URL('../../src/workflows/short-attempts.ts', import.meta.url),
);

/**
 * Bundles workflow sources as the build does, but from TypeScript: packages of this repository resolve to their `src`.
 * @param entry absolute path of the module whose exports become workflow types
 */
export async function bundleSources(entry: string = WORKFLOWS_ENTRY): Promise<WorkflowBundle> {
  const isReal = entry === WORKFLOWS_ENTRY;
  const interceptors = isReal ? [SHORT_ATTEMPTS] : [];
  const bundle = async (): Promise<WorkflowBundle> => {
    const { code } = await bundleWorkflowCode({
      workflowsPath: entry,
      workflowInterceptorModules: [WORKFLOW_INTERCEPTORS, ...interceptors],
      failureConverterPath: fileURLToPath(new URL('failure-converter.ts', WORKFLOWS)),
      logger: quietLogger,
      webpackConfigHook: (config) => ({
        ...config,
        devtool: false,
        resolve: { ...config.resolve, conditionNames: ['sluice-source', 'import', 'require'] },
      }),
    });
    return { code: `${code}\n${EMPTY_MAP}` };
  };
  // Another entry has modules of its own that nobody has told of.
  return isReal ? bundleOnce(interceptors, bundle) : bundle();
}

/**
 * A bundle of other code than its sources: bundling costs seconds, this nothing.
 * @param from stands in the bundled code exactly once
 * @throws Error otherwise: a source that moved on would make a test pass for nothing
 */
export function editBundle({ code }: WorkflowBundle, from: string, to: string): WorkflowBundle {
  const parts = code.split(from);
  if (parts.length !== 2) {
    throw new Error(
      `The edit of the bundle matches ${parts.length - 1} times, not once; correct it: ${from}`,
    );
  }
  return { code: parts.join(to) };
}

/** The real one would be most of a bundle, and each worker that is created reads all of it; without any none is created. */
const EMPTY_MAP = `//# sourceMappingURL=data:application/json;base64,${Buffer.from(
  JSON.stringify({
    version: 3,
    file: 'workflow-bundle.js',
    sources: [],
    names: [],
    mappings: '',
  }),
).toString('base64')}`;

const nothing = (): void => undefined;
const quietLogger = {
  log: nothing,
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: (message: string): void => console.warn(message),
  error: (message: string): void => console.error(message),
};
