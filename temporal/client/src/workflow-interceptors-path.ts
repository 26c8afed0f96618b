import { fileURLToPath } from 'node:url';

/** The module that every workflow bundle takes in as `workflowInterceptorModules`: spans of workflows. */
export const WORKFLOW_INTERCEPTORS = fileURLToPath(
  new URL('../workflow-interceptors.cjs', import.meta.url),
);
