import { DomainError, type StepTypes } from '@sluice/domain';
import type { StepTypeManifest } from './step-type-manifest.ts';
import { STEP_TYPE_MANIFESTS } from './step-types.generated.ts';

/** Every built-in step type, in the order in which the documentation tells them. */
export const BUILT_IN_MANIFESTS: readonly StepTypeManifest[] = [...STEP_TYPE_MANIFESTS].sort(
  (one, other) => one.place - other.place,
);

/** The built-in step types by `type@version`. */
export const BUILT_IN_STEP_TYPES: StepTypes = registerStepTypes(BUILT_IN_MANIFESTS);

/**
 * Step types by `type@version`, in the given order.
 * @throws DomainError `step-type-twice`
 */
export function registerStepTypes(manifests: readonly StepTypeManifest[]): StepTypes {
  const types = new Map<string, StepTypeManifest['stepType']>();
  for (const { stepType } of manifests) {
    const name = `${stepType.type}@${stepType.version}`;
    if (types.has(name)) {
      throw new DomainError(
        'step-type-twice',
        `Step type ${name} is registered twice; a change of what it takes or gives is the next version.`,
      );
    }
    types.set(name, stepType);
  }
  return types;
}
