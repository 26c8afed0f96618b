import type { RetryTemplate } from './template.ts';
import type { ObjectSchema } from './value-schema.ts';

/** What an effect of a step is guaranteed to be when a worker dies in the middle. */
export type EffectGuarantee =
  /** Found by its idempotency key, and never done twice. */
  | 'exactly-once'
  /** Done again under the same idempotency key: the other side must know the key, or bear it. */
  | 'at-least-once'
  | 'none';

/** What a step is handed; whatever is not named is not there for it. */
export const STEP_CAPABILITIES = [
  'records',
  'evidence',
  'scanner',
  'policy',
  'agents',
  'nix',
  'sandbox',
  'network',
  'secrets',
  'releases',
] as const;

/** One of {@link STEP_CAPABILITIES}. */
export type StepCapability = (typeof STEP_CAPABILITIES)[number];

/** Where steps are executed, by what a machine must have for them: its workers take the queues that it can serve. */
export const STEP_QUEUES = [
  /** Needs the records alone. */
  'control',
  /** The scanner is there. */
  'scan',
  'gate',
  'deploy',
  'verify',
  /** Nix is there. */
  'build',
  /** The sandbox is there. */
  'script',
  /** Requests to the world outside. */
  'outbound',
] as const;

/** One of {@link STEP_QUEUES}. */
export type StepQueue = (typeof STEP_QUEUES)[number];

/** Undoing of what a step did. */
export interface Compensation {
  /** What it puts back, for people: `Puts the targets back to the release that they had.` */
  readonly undoes: string;
  /** What a person does when it fails, for people. */
  readonly byHand: string;
  readonly timeoutSeconds: number;
  /** Name of the input without which there is nothing to undo; absent where there always is. */
  readonly onlyWith?: string;
}

/** Inputs of which a step takes at most one, and exactly one where it is required. */
export interface InputChoice {
  readonly inputs: readonly string[];
  readonly required: boolean;
}

/** What a step type says of itself: everything that checks, draws, plans and runs pipelines reads it here. */
export interface StepType {
  /** `deploy`. */
  readonly type: string;
  readonly version: number;
  /** One sentence for people. */
  readonly title: string;
  /** `control`: the interpreter's own (wait, approval, pipeline). `activity`: behind `executeStep` on its {@link queue}. */
  readonly kind: 'control' | 'activity';
  /** Where it is executed; null exactly for `control`. A promotion keeps the one that it froze. */
  readonly queue: StepQueue | null;
  readonly inputs: ObjectSchema;
  readonly outputs: ObjectSchema;
  /** What its schema cannot say of the inputs: which exclude each other. */
  readonly choices?: readonly InputChoice[];
  /** Inputs that must stand in the pipeline itself, never wired: the check of other steps depends on them. */
  readonly literalInputs?: readonly string[];
  /** Inputs that may be `{secret: name}`. */
  readonly secretInputs?: readonly string[];
  /** Name of the input that declares outputs beside {@link outputs}: an object, name → schema. */
  readonly declaresOutputs?: string;
  /** Input that says how long the work lasts: `seconds`, `limits.seconds`. The timeout must be longer. */
  readonly durationInput?: string;
  /** Of one attempt. */
  readonly timeoutSeconds: number;
  /** The most that a pipeline may ask for. */
  readonly maxTimeoutSeconds: number;
  readonly retry: RetryTemplate;
  readonly capabilities: readonly StepCapability[];
  /** Under which key its effect is found again: `promotion/step/target`. Null where it has no effect. */
  readonly idempotencyKey:
    | 'promotion/step'
    | 'promotion/step/member'
    | 'promotion/step/target'
    | null;
  readonly effect: EffectGuarantee;
  /** Null where there is nothing to undo. */
  readonly compensation: Compensation | null;
  /** True where each target is an execution of its own, without a matrix. */
  readonly perTarget: boolean;
  /** True where it changes the environment: it needs the environment's lease, and a plan before it. */
  readonly changesTargets: boolean;
}

/** Step types by `type@version`. */
export type StepTypes = ReadonlyMap<string, StepType>;
