// Every export becomes a workflow type: these five and nothing else.
export { promoteRelease } from './promote-release.workflow.ts';
export { resolveRelease } from './resolve-release.workflow.ts';
export { runShard } from './run-shard.workflow.ts';
export { settlePromotion } from './settle-promotion.workflow.ts';
export { watchRelease } from './watch-release.workflow.ts';
