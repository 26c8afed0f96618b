import { access } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Logger } from '@sluice/observability';
import { WORKFLOW_INTERCEPTORS } from '@sluice/temporal-client';
import { bundleWorkflowCode, type WorkflowBundleOption } from '@temporalio/worker';

/**
 * The workflows' code: the bundle that the build wrote, or one made now where there is none. The package is only
 * looked for, never imported.
 */
export async function findWorkflowCode(logger: Logger): Promise<WorkflowBundleOption> {
  const entry = import.meta.resolve('@sluice/workflows');
  const codePath = fileURLToPath(new URL('./workflow-bundle.js', entry));
  if (await exists(codePath)) return { codePath };
  logger.warn({ codePath }, 'there is no built workflow bundle; it is made now (npm run build)');
  const failureConverterPath = fileURLToPath(new URL('./failure-converter.js', entry));
  return bundleWorkflowCode({
    workflowsPath: fileURLToPath(entry),
    workflowInterceptorModules: [WORKFLOW_INTERCEPTORS],
    ...((await exists(failureConverterPath)) ? { failureConverterPath } : {}),
  });
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
