export type { ApiParts } from './api-parts.ts';
export { type RunningApi, serveApi } from './serve-api.ts';
