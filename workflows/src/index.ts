// Every export becomes a workflow type: these three and nothing else.
export { promoteRelease } from './promote-release.workflow.ts';
export { resolveRelease } from './resolve-release.workflow.ts';
export { settlePromotion } from './settle-promotion.workflow.ts';
