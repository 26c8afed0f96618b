import type { Pipeline, StepTypeRef } from '../pipeline.ts';
import type { ValueSchema } from './value-schema.ts';

/** The schema tag of a pipeline that a team wrote. Version 1 is what promotions ran before; their histories keep it. */
export const PIPELINE_TEMPLATE_SCHEMA = 'sluice.pipeline/v2';

/** Steps of one pipeline, with those of its sub-pipelines: more are refused. */
export const MAX_TEMPLATE_STEPS = 5000;

/** Members of one matrix: more are refused. */
export const MAX_MATRIX_MEMBERS = 10_000;

/** Sub-pipelines within sub-pipelines, and pipelines that extend others: deeper ones are refused. */
export const MAX_PIPELINE_DEPTH = 8;

/**
 * A pipeline as a team writes it: a versioned DAG of typed steps. Immutable once used: what is changed is a new version. Its digest is the
 * SHA-256 of its canonical JSON.
 */
export interface PipelineTemplate {
  readonly schema: typeof PIPELINE_TEMPLATE_SCHEMA;
  /** A DNS label. */
  readonly name: string;
  /** From 1. */
  readonly version: number;
  readonly description?: string;
  /** What it begins from: steps of the same id are merged, `remove` takes one out. */
  readonly extends?: PipelineRef;
  /** By name. */
  readonly parameters?: Readonly<Record<string, ParameterTemplate>>;
  readonly steps: readonly StepTemplate[];
  /** By environment: what is otherwise there. */
  readonly environments?: Readonly<Record<string, EnvironmentOverride>>;
  /**
   * True (the default): when a step has failed, what has not begun stays undone. False: branches that do not come after it
   * go on.
   */
  readonly failFast?: boolean;
}

/** True for a pipeline that a team wrote; every other stored one is built in. */
export function isPipelineTemplate(body: Pipeline | PipelineTemplate): body is PipelineTemplate {
  return body.schema === PIPELINE_TEMPLATE_SCHEMA;
}

/** One version of a pipeline. */
export interface PipelineRef {
  readonly name: string;
  readonly version: number;
}

/** A parameter. Without a default it must be given. */
export interface ParameterTemplate {
  readonly schema: ValueSchema;
  readonly default?: unknown;
}

/** What an environment changes: other values for parameters, members of steps, more steps, fewer steps. */
export interface EnvironmentOverride {
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly steps?: readonly StepOverride[];
}

/** A step of the same id is merged member by member (`inputs` name by name); an unknown id is a new step; `remove` takes it out. */
export type StepOverride =
  | ({ readonly id: string } & Partial<Omit<StepTemplate, 'id'>> & { readonly remove?: false })
  | { readonly id: string; readonly remove: true };

/** When a step runs, by what became of the steps that it needs; see `decideStep`. */
export const STEP_CONDITIONS = ['success', 'always', 'onFailure', 'onCancel'] as const;

/** One of {@link STEP_CONDITIONS}. */
export type StepCondition = (typeof STEP_CONDITIONS)[number];

/** One node of the DAG. */
export interface StepTemplate {
  /** A DNS label, unique in its pipeline. */
  readonly id: string;
  readonly type: StepTypeRef;
  readonly description?: string;
  /** Steps that must be settled before this one begins. */
  readonly needs?: readonly string[];
  /** `success` when absent. */
  readonly when?: StepCondition;
  /** A CEL expression that gives a boolean, asked when `when` allows it; false: the step is skipped by its own will. */
  readonly if?: string;
  /** By name, as its type declares them. */
  readonly inputs?: Readonly<Record<string, InputValue>>;
  readonly retry?: RetryTemplate;
  /** Of one attempt. Its type's when absent. */
  readonly timeoutSeconds?: number;
  /** The step once for each member. */
  readonly matrix?: MatrixTemplate;
  /** At most one step of the tenant that names this group runs at a time; the others queue. A DNS label. */
  readonly concurrencyGroup?: string;
  /** Its failure is recorded and shown, and counts for those after it like a success. */
  readonly continueOnFailure?: boolean;
  /** False: what it did stays when the promotion fails. True where its type has a compensation. */
  readonly compensate?: boolean;
}

/** How often and when again. */
export interface RetryTemplate {
  /** The first one among them; at least 1. */
  readonly attempts: number;
  /** Before the second attempt. */
  readonly backoffSeconds?: number;
  /** Each pause is so many times the one before; 2 when absent. */
  readonly factor?: number;
  readonly maxBackoffSeconds?: number;
  /** Codes of reasons after which nothing is tried again. */
  readonly terminal?: readonly string[];
}

/** What a matrix does when some of its members have failed. */
export const MATRIX_POLICIES = [
  /** One failure fails the step. */
  'all',
  /** It is `partial`, and counts as failed for those after it unless they take it. */
  'partial',
  /** It is `partial` while at least `minimum` members succeeded, and counts as a success for those after it; else failed. */
  'minimum',
] as const;

/** One of {@link MATRIX_POLICIES}. */
export type MatrixPolicy = (typeof MATRIX_POLICIES)[number];

/** A step for each target, or for each of some values. Members are visible as `matrix` in inputs and conditions. */
export interface MatrixTemplate {
  readonly over: MatrixSource;
  /** So many at a time; 10 when absent. */
  readonly maxParallel?: number;
  /** True: after a failure no other member begins. False (the default): all run to their end. */
  readonly failFast?: boolean;
  /** `all` when absent. */
  readonly policy?: MatrixPolicy;
  /** For `minimum`: members that must have succeeded. */
  readonly minimum?: number;
}

/** Where its members come from. */
export type MatrixSource =
  /** The promotion's targets whose labels have all of these values; `{}` takes all. */
  | { readonly targets: Readonly<Record<string, string>> }
  | { readonly values: readonly unknown[] }
  /** An output or a parameter that is a list. */
  | { readonly ref: string };

/**
 * An input: a JSON value; or one of these objects with a single member. An object that would be taken for one of them is written as
 * `{literal: …}`.
 */
export type InputValue = WiredInput | JsonValue;

/** A value that is found when the step begins. */
export type WiredInput =
  /** `steps.<id>.outputs.<name>`, `parameters.<name>`, `matrix.<member>`, `promotion.…`, `release.…`, `environment.…`. */
  | { readonly ref: string }
  /** A CEL expression. */
  | { readonly cel: string }
  /** Name of a secret: only the step's own process sees its value. */
  | { readonly secret: string }
  | { readonly literal: JsonValue };

/** What JSON holds. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };
