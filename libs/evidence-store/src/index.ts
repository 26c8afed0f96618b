export * from './evidence-store.ts';
export * from './folder-store.ts';
