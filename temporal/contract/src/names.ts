/** Task queues, one per capability; a worker takes those it has the tools for. */
export const TASK_QUEUES = {
  /** Workflows, and the interpreter's own activities (records, lease, sealing). */
  control: 'sluice-control',
  scan: 'sluice-scan',
  gate: 'sluice-gate',
  deploy: 'sluice-deploy',
  verify: 'sluice-verify',
} as const;

/** One of {@link TASK_QUEUES}. */
export type TaskQueue = (typeof TASK_QUEUES)[keyof typeof TASK_QUEUES];

/** Workflow types. Names stand in histories for ever. */
export const WORKFLOWS = {
  promoteRelease: 'promoteRelease',
  resolveRelease: 'resolveRelease',
  settlePromotion: 'settlePromotion',
} as const;

/** Step types that run as `executeStep`, and the queue of each one's capability. */
export const STEP_QUEUES: Readonly<Record<string, TaskQueue>> = {
  scan: TASK_QUEUES.scan,
  gate: TASK_QUEUES.gate,
  plan: TASK_QUEUES.control,
  deploy: TASK_QUEUES.deploy,
  verify: TASK_QUEUES.verify,
  /** Does nothing: measures the interpreter, and stands in for a step in a pipeline that is being tried out. */
  noop: TASK_QUEUES.control,
};

/** Step types that the interpreter itself carries out. */
export const CONTROL_STEPS: ReadonlySet<string> = new Set(['approval']);

/** Step types that the interpreter expands over the environment's targets: one `executeStep` each. */
export const PER_TARGET_STEPS: ReadonlySet<string> = new Set(['deploy', 'verify']);

/** Step types with effects on targets: the environment's lease is taken right before the first of them. */
export const LEASED_STEPS: ReadonlySet<string> = new Set(['deploy']);

/** Search attributes; all Keyword, all opaque ids, for they are stored as plain text. */
export const SEARCH_ATTRIBUTES = {
  tenant: 'SluiceTenant',
  environment: 'SluiceEnvironment',
  release: 'SluiceRelease',
  promotionState: 'SluicePromotionState',
} as const;

/** Workflow id of a promotion: `promotion/<tenant>/<environment>/<number>`. */
export function promotionWorkflowId(tenantId: string, promotionId: string): string {
  return `promotion/${tenantId}/${promotionId}`;
}

/** Workflow id of a release request: `release-request/<tenant>/<request id>`. */
export function releaseRequestWorkflowId(tenantId: string, requestId: string): string {
  return `release-request/${tenantId}/${requestId}`;
}

/** Workflow id of what ends a promotion whose own workflow can't: `settlement/<tenant>/<environment>/<number>`. */
export function settlementWorkflowId(tenantId: string, promotionId: string): string {
  return `settlement/${tenantId}/${promotionId}`;
}

/** The promotion that a promotion's or a settlement's workflow id is of, or undefined for any other id. */
export function promotionOfWorkflowId(tenantId: string, workflowId: string): string | undefined {
  for (const prefix of [`promotion/${tenantId}/`, `settlement/${tenantId}/`]) {
    if (workflowId.startsWith(prefix)) return workflowId.slice(prefix.length);
  }
  return undefined;
}

/** The tenant of a workflow id of ours, or undefined for a foreign id. The payload codec picks its key by this. */
export function tenantOfWorkflowId(workflowId: string): string | undefined {
  return /^(?:promotion|settlement|release-request)\/([a-z0-9-]+)\//.exec(workflowId)?.[1];
}

/** The lease that a promotion takes: `environment:<name>`. */
export function environmentLease(environment: string): string {
  return `environment:${environment}`;
}

const HOLDER_PREFIX = 'promotion:';

/** A promotion as the holder of a lease: `promotion:<id>`. */
export function leaseHolder(promotionId: string): string {
  return `${HOLDER_PREFIX}${promotionId}`;
}

/** The promotion that a holder of a lease is. */
export function promotionOfHolder(holder: string): string {
  return holder.startsWith(HOLDER_PREFIX) ? holder.slice(HOLDER_PREFIX.length) : holder;
}
