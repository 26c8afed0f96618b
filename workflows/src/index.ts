// Every export becomes a workflow type: these two and nothing else.
export { promoteRelease } from './promote-release.workflow.ts';
export { resolveRelease } from './resolve-release.workflow.ts';
