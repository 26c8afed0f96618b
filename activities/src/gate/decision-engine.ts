import type { Decision } from '@sluice/domain';

/** Evaluates policy bundles; implemented by `@sluice/decision`. */
export interface DecisionEngine {
  /**
   * The same policy and input give the same decision, byte for byte. A missing input is a deny.
   * @throws Error with a `code` when the bundle is not there, does not load or runs past the deadline
   */
  evaluate(request: {
    readonly policyDigest: string;
    readonly input: Readonly<Record<string, unknown>>;
    readonly deadlineMs: number;
  }): Promise<Decision>;
}
