export * from './canonical-json.ts';
export * from './child-environment.ts';
export * from './decision-hash.ts';
export * from './digest.ts';
export * from './enrolment-token.ts';
export * from './printable.ts';
export * from './uuid.ts';
