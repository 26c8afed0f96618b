export * from './decision-engine.ts';
export * from './decision-error.ts';
export * from './policy-bundle.ts';
export { composeVerdict, readVerdict, type Verdict } from './verdict.ts';
