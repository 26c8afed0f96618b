export * from './scene.ts';
export * from './test-database.ts';
