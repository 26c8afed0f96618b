import type { StepQueue } from '@sluice/domain';

/** Task queues, one per capability; a worker takes those it has the tools for. */
export const TASK_QUEUES = {
  /** Workflows, and the interpreter's own activities (records, lease, sealing). */
  control: 'sluice-control',
  scan: 'sluice-scan',
  gate: 'sluice-gate',
  deploy: 'sluice-deploy',
  verify: 'sluice-verify',
  /** Nix is there. */
  build: 'sluice-build',
  /** The sandbox is there. */
  script: 'sluice-script',
  /** Requests to the world outside: http, notify, soak. */
  outbound: 'sluice-outbound',
} as const satisfies { readonly [Name in StepQueue]: `sluice-${Name}` };

/** One of {@link TASK_QUEUES}. */
export type TaskQueue = (typeof TASK_QUEUES)[keyof typeof TASK_QUEUES];

/** The task queue of what a step type names. A rule and no look-up: workflows that are older than a queue send steps to it, too. */
export function taskQueueOf(queue: StepQueue): TaskQueue {
  return `sluice-${queue}`;
}

/** Workflow types. Names stand in histories for ever. */
export const WORKFLOWS = {
  promoteRelease: 'promoteRelease',
  resolveRelease: 'resolveRelease',
  settlePromotion: 'settlePromotion',
  /** Some members of a matrix; a child of its promotion. */
  runShard: 'runShard',
  /** Watches a release after it is out. */
  watchRelease: 'watchRelease',
} as const;

/**
 * The queue of each step type where the promotion froze none: forms 1 and 2, whose pipelines are the built-in ones, and courses from
 * before their steps had one. Frozen for ever: nothing is added, changed or taken away here. A new type says its queue in its manifest.
 */
export const LEGACY_STEP_QUEUES: Readonly<Record<string, TaskQueue>> = {
  scan: TASK_QUEUES.scan,
  gate: TASK_QUEUES.gate,
  plan: TASK_QUEUES.control,
  deploy: TASK_QUEUES.deploy,
  verify: TASK_QUEUES.verify,
  noop: TASK_QUEUES.control,
  soak: TASK_QUEUES.outbound,
  build: TASK_QUEUES.build,
  release: TASK_QUEUES.control,
  script: TASK_QUEUES.script,
  http: TASK_QUEUES.outbound,
  notify: TASK_QUEUES.outbound,
};

/** Step types that the interpreter itself carries out in promotions of form 2; a course says it of each step. */
export const CONTROL_STEPS: ReadonlySet<string> = new Set(['approval']);

/** Step types that the interpreter expands over the environment's targets: one `executeStep` each. */
export const PER_TARGET_STEPS: ReadonlySet<string> = new Set(['deploy', 'rollout', 'verify']);

/** Step types with effects on targets: the environment's lease is taken right before the first of them. */
export const LEASED_STEPS: ReadonlySet<string> = new Set(['deploy', 'rollout']);

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

/** Workflow id of the watch over a promotion's release: `watch/<tenant>/<environment>/<number>`. */
export function watchWorkflowId(tenantId: string, promotionId: string): string {
  return `watch/${tenantId}/${promotionId}`;
}

/** Workflow id of a shard: `shard/<tenant>/<environment>/<number>/<step>/<round>/<first member>`. */
export function shardWorkflowId(
  { tenantId, promotionId }: { readonly tenantId: string; readonly promotionId: string },
  stepId: string,
  round: number,
  from: number,
): string {
  return `shard/${tenantId}/${promotionId}/${stepId}/${round}/${from}`;
}

/** The promotion that a promotion's, a settlement's or a shard's workflow id is of, or undefined for any other id. */
export function promotionOfWorkflowId(tenantId: string, workflowId: string): string | undefined {
  const shard = `shard/${tenantId}/`;
  if (workflowId.startsWith(shard)) {
    return workflowId.slice(shard.length).split('/').slice(0, 2).join('/');
  }
  for (const prefix of [`promotion/${tenantId}/`, `settlement/${tenantId}/`]) {
    if (workflowId.startsWith(prefix)) return workflowId.slice(prefix.length);
  }
  return undefined;
}

/** The tenant of a workflow id of ours, or undefined for a foreign id. The payload codec picks its key by this. */
export function tenantOfWorkflowId(workflowId: string): string | undefined {
  return /^(?:promotion|settlement|release-request|shard|watch)\/([a-z0-9-]+)\//.exec(
    workflowId,
  )?.[1];
}

/** The lease that a promotion takes: `environment:<name>`. */
export function environmentLease(environment: string): string {
  return `environment:${environment}`;
}

const HOLDER_PREFIX = 'promotion:';

/** What a step of a concurrency group takes: `group:<name>`. */
export function groupLease(group: string): string {
  return `group:${group}`;
}

/** A promotion as the holder of a lease: `promotion:<id>`. */
export function leaseHolder(promotionId: string): string {
  return `${HOLDER_PREFIX}${promotionId}`;
}

/** The promotion that a holder of a lease is. */
export function promotionOfHolder(holder: string): string {
  return holder.startsWith(HOLDER_PREFIX) ? holder.slice(HOLDER_PREFIX.length) : holder;
}
