export * from './course-scene.ts';
export * from './fake-scope.ts';
export * from './in-memory-signer.ts';
export * from './promotion-scene.ts';
export * from './rollout-scene.ts';
