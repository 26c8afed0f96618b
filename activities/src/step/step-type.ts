import type { Logger } from '@sluice/observability';
import type { PromotionRecord, Tx } from '@sluice/persistence';
import type {
  ExecuteStepInput,
  FrozenRules,
  StepResult,
  TaskQueue,
} from '@sluice/temporal-contract';
import type { ActivityScope } from '../activity-scope.ts';

/** What a step type is given when it runs. */
export interface StepRun {
  readonly input: ExecuteStepInput;
  readonly promotion: PromotionRecord;
  readonly rules: FrozenRules;
  readonly scope: ActivityScope;
  readonly log: Logger;
}

/** What a step came to, and the rows that are written in the same transaction as its effect record. */
export interface StepOutcome {
  readonly result: StepResult;
  readonly record?: (tx: Tx) => Promise<void>;
}

/**
 * One registered type of step. A new type is one folder with one of these, and one line in the registry.
 * `run` must be idempotent: it runs again after a crash, up to the moment its effect record is written.
 */
export interface StepType {
  readonly type: string;
  readonly version: number;
  /** Where its activity runs. */
  readonly queue: TaskQueue;
  run(run: StepRun): Promise<StepOutcome>;
}

/** A result that says why the step failed. */
export function failedResult(code: string, message: string): StepResult {
  return { outcome: 'failed', outputs: {}, reason: { code, message } };
}

/** A result that names what the step made. */
export function succeededResult(outputs: Readonly<Record<string, string>>): StepResult {
  return { outcome: 'succeeded', outputs, reason: null };
}
