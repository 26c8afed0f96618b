import type { JsonValue, StepTypeRef } from '@sluice/domain';
import type { ActivityDependencies } from '../dependencies.ts';
import type { PromotionScene } from './promotion-scene.ts';

/** The one step of every promotion that the conformance kit begins. */
export const ONE_STEP = 'one';

/** What a step type gives the conformance kit, so that it can be run. Stands beside the step as `<type>.fixture.ts`. */
export interface StepFixture {
  readonly type: StepTypeRef;
  /** Makes what the type needs in the world: servers, files, programs. Asked once. */
  open(room: StepFixtureRoom): Promise<OpenStepFixture>;
}

/** Where a fixture is opened. */
export interface StepFixtureRoom {
  readonly tenantId: string;
  /** Records with environment `dev` and target `dev-1`, whose address is 127.0.0.1. */
  readonly scene: PromotionScene;
  /** What the kit gives every type: pool, evidence, an in-memory signer, a logger. */
  readonly parts: Pick<ActivityDependencies, 'pool' | 'evidence' | 'signer' | 'logger'>;
  /** Empty, and removed afterwards. */
  readonly folder: string;
}

/** Inputs by name, as they are when a step begins. */
export type FixtureInputs = Readonly<Record<string, JsonValue>>;

/** A step type in its world. */
export interface OpenStepFixture {
  /** Ports that the kit does not give. */
  readonly parts: Partial<ActivityDependencies>;
  /** Each succeeds. At least one. */
  readonly runs: readonly FixtureRun[];
  /** Each fails with this code, and does so when it is tried again. At least one, but for a type that cannot fail. */
  readonly failures: readonly (FixtureRun & { readonly code: string })[];
  /** Would last at least 20 s; null for a type that ends at once, which the kit names. */
  readonly slow: FixtureRun | null;
  /**
   * Idempotency keys of the effects that are seen, one for each time that one was done: in the world, or in Sluice's own records where the
   * effect of the type is one of them. Present exactly where the type's manifest has an effect; at least one of `runs` has one.
   */
  effects?(): Promise<readonly string[]>;
  /** True when nothing is left of what a run with these inputs did; present where the type's manifest has a compensation. */
  isUndone?(run: FixtureRun): Promise<boolean>;
  /** What is in the records before a promotion's step runs. */
  before?(promotionId: string, run: FixtureRun): Promise<void>;
  /** What the world says later of a run that goes on elsewhere, such as an agent's report; it is then asked again. */
  answer?(promotionId: string, run: FixtureRun): Promise<void>;
  close(): Promise<void>;
}

/** One execution. */
export interface FixtureRun {
  readonly name: string;
  readonly inputs: FixtureInputs;
  /** Runs on the target `dev-1`. */
  readonly onTarget?: true;
  /** Of a promotion that makes its release. */
  readonly makesRelease?: true;
}
