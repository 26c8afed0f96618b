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

/** An ordered place with targets, a pipeline and a policy. */
export interface Environment {
  readonly name: string;
  /** Environments are shown and later passed in this order; unique in a tenant. */
  readonly position: number;
  /** Name of the pipeline that promotions to here run. */
  readonly pipeline: string;
  /** Name of the policy bundle that its gate evaluates. */
  readonly policy: string;
  readonly deadlines: Deadlines;
}
