import type { ApprovalRule } from './approval.ts';
import type { JsonValue } from './pipeline/template.ts';
import type { WatchRules } from './release-watch/watch-rules.ts';
import type { Role } from './role.ts';

/** How long each wait of a promotion may take before it becomes a recorded failure. Seconds. */
export interface Deadlines {
  /** The whole promotion, queue included. */
  readonly promotionSeconds: number;
  /** Waiting for the environment's lease. */
  readonly queueSeconds: number;
  readonly scanSeconds: number;
  readonly gateSeconds: number;
  /** From the signed command to the agent's final report. */
  readonly deploySeconds: number;
  readonly verifySeconds: number;
  readonly revertSeconds: number;
}

/** What holds where an environment names nothing else. */
export const DEFAULT_DEADLINES: Deadlines = {
  promotionSeconds: 3600,
  queueSeconds: 1800,
  scanSeconds: 300,
  gateSeconds: 60,
  deploySeconds: 300,
  verifySeconds: 120,
  revertSeconds: 300,
};

/** What an environment asks of a promotion beside its pipeline. */
export interface EnvironmentRules {
  /** Environments in each of which this release must have been verified before. Empty for the first. */
  readonly predecessors: readonly string[];
  /** Present exactly when the pipeline has an approval step. */
  readonly approval: ApprovalRule | null;
  /** Roles whose holders may roll this environment back. */
  readonly rollbackRoles: readonly Role[];
}

/** Who may roll back where an environment names nobody. */
export const DEFAULT_ROLLBACK_ROLES: readonly Role[] = ['admin'];

/** An ordered place with targets, a pipeline and a policy. */
export interface Environment extends EnvironmentRules {
  readonly name: string;
  /** Environments are shown in this order; unique in a tenant. */
  readonly position: number;
  /** Name of the pipeline that promotions to here run. */
  readonly pipeline: string;
  /** The version that they run; the newest when null or absent. */
  readonly pipelineVersion?: number | null;
  /** Values for the pipeline's parameters, by name; a promotion cannot give these. None when absent. */
  readonly pipelineParameters?: Readonly<Record<string, JsonValue>>;
  /** Name of the policy bundle that its gate evaluates. */
  readonly policy: string;
  readonly deadlines: Deadlines;
  /** How a release is watched once it is out; it is not when null or absent. */
  readonly watch?: WatchRules | null;
}
