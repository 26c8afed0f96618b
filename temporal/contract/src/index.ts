export * from './activities.ts';
export * from './course.messages.ts';
export * from './failure-types.ts';
export * from './names.ts';
export * from './promotion.messages.ts';
export * from './release.messages.ts';
export * from './rollout.messages.ts';
export * from './watch.messages.ts';
