export * from './in-memory-engine-client.ts';
