import type { PipelineRef } from '@sluice/domain';

/**
 * Where a member of a resolved pipeline comes from, for people:
 * `base@2` (a pipeline wrote it), `environment production of base@2`, `given` (with the promotion), `default of deploy@1` (its step type's),
 * `default` (nobody said anything). A condition that was joined from two names both: `base@2 and rollout@1`.
 */
export type Origin = string;

/**
 * Origins by path: `failFast`, `parameters.region`, `steps.deploy` (who brought the step in), `steps.deploy.timeoutSeconds`,
 * `steps.deploy.inputs.image`.
 */
export type Origins = Readonly<Record<string, Origin>>;

/** A parameter that came with the promotion. */
export const GIVEN: Origin = 'given';

/** What holds when nobody says anything. */
export const DEFAULT: Origin = 'default';

/** `base@2`. */
export function pipelineOrigin(ref: PipelineRef): Origin {
  return `${ref.name}@${ref.version}`;
}

/** `environment production of base@2`. */
export function environmentOrigin(environment: string, ref: PipelineRef): Origin {
  return `environment ${environment} of ${pipelineOrigin(ref)}`;
}

/** `default of deploy@1`. */
export function stepTypeOrigin(type: string): Origin {
  return `${DEFAULT} of ${type}`;
}

/** Both, or the one that they share. */
export function joinedOrigin(first: Origin, second: Origin): Origin {
  return first === second ? first : `${first} and ${second}`;
}
