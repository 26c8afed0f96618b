import type { JsonValue } from '@sluice/domain';
import type { Logger } from '@sluice/observability';
import type { PromotionRecord, Tx } from '@sluice/persistence';
import type { ExecuteStepInput, FrozenRules, StepResult } from '@sluice/temporal-contract';
import type { ActivityScope } from '../activity-scope.ts';

/** What a step type is given when it runs. */
export interface StepRun {
  readonly input: ExecuteStepInput;
  readonly promotion: PromotionRecord;
  readonly rules: FrozenRules;
  readonly scope: ActivityScope;
  /** For who runs Sluice. */
  readonly log: Logger;
  /** By name, found and checked against the type's schema; `{}` before pipelines were data. Secrets are `{secret: name}`. */
  readonly inputs: Readonly<Record<string, JsonValue>>;
  /** The member of a matrix that it runs for. */
  readonly member?: JsonValue | undefined;
  /** Under this key its effect is found again; the same for every attempt. */
  readonly idempotencyKey: string;
  /**
   * Of types that mark their effect: to be awaited right before it happens, and the attempt counts from then on. Throws where the step may
   * not have it (any more).
   */
  readonly beginEffect?: (() => Promise<void>) | undefined;
  /** For the team: kept by digest, and streamed. */
  readonly output: StepOutput;
}

/** A step's own log: bounded, secrets masked by who writes it, order kept. Never throws; what goes beyond the bound is counted and left out. */
export interface StepOutput {
  write(chunk: string | Uint8Array): void;
  /** Masks a secret, and its usual encodings, in all that is written from then on. */
  hide(secret: string): void;
}

/** What a step came to, and the rows that are written in the same transaction as its effect record. */
export interface StepOutcome {
  readonly result: StepResult;
  readonly record?: (tx: Tx) => Promise<void>;
}

/**
 * One registered type of step: what it does. Where it is executed, its times and its capabilities are its manifest's to say.
 * `run` must be idempotent: it runs again after a crash, up to the moment its effect record is written.
 */
export interface StepType {
  readonly type: string;
  readonly version: number;
  /** True where `run` calls `beginEffect`: an attempt that ends before, for the database or a store is away, takes none away. */
  readonly marksEffect?: true;
  run(run: StepRun): Promise<StepOutcome>;
  /** Puts back what `run` did with the same inputs; idempotent. Present exactly where its manifest has a compensation, but for deployments. */
  compensate?(run: StepRun): Promise<StepOutcome>;
}

/** A result that says why the step failed. */
export function failedResult(code: string, message: string): StepResult {
  return { outcome: 'failed', outputs: {}, reason: { code, message } };
}

/** A result that names what the step made: digests, and typed values as its manifest declares them. */
export function succeededResult(
  outputs: Readonly<Record<string, string>>,
  values?: Readonly<Record<string, JsonValue>>,
): StepResult {
  return {
    outcome: 'succeeded',
    outputs,
    reason: null,
    ...(values === undefined ? {} : { values }),
  };
}
