import { FAILURES } from '@sluice/temporal-contract';
import { activityFailure } from '../failures.ts';
import type { StepType } from './step-type.ts';

/** The step types that this worker knows. */
export interface StepRegistry {
  /** @throws ApplicationFailure `InvalidInput` for a type or version that is not registered */
  get(type: string, version: number): StepType;
}

/**
 * Builds a registry.
 * @throws TypeError when one type@version is registered twice
 */
export function createStepRegistry(types: readonly StepType[]): StepRegistry {
  const known = new Map<string, StepType>();
  for (const type of types) {
    const name = `${type.type}@${type.version}`;
    if (known.has(name)) throw new TypeError(`Step type ${name} is registered twice.`);
    known.set(name, type);
  }
  return {
    get(type, version) {
      const found = known.get(`${type}@${version}`);
      if (found !== undefined) return found;
      throw activityFailure(
        FAILURES.invalidInput,
        `This worker knows no step type ${type}@${version}; it knows ${[...known.keys()].sort().join(', ')}.`,
      );
    },
  };
}
