import { type StepType, succeededResult } from '../step/step-type.ts';

/** noop@1 does nothing and succeeds: the interpreter's own cost is what a pipeline of these shows. */
export function createNoopStep(): StepType {
  return {
    type: 'noop',
    version: 1,
    run: async () => ({ result: succeededResult({}) }),
  };
}
