export type { BuildName } from './bisect.ts';
export type { PromotionAt } from './promotion-at.ts';
export type { ChangedInput, Mismatch, ReplayReport, ReplayResult } from './replay-result.ts';
export type { SourcePosition } from './source-position.ts';
