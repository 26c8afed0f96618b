/** What the engine says of a workflow id; `unknown` when it never knew it or has forgotten it. */
export interface WorkflowFact {
  readonly state: 'running' | 'closed' | 'unknown';
  /** RFC 3339; null unless `closed`. */
  readonly closedAt: string | null;
}

/** The workflows that belong to a promotion. */
interface PromotionWorkflows {
  readonly promotionId: string;
  readonly workflowId: string;
  /** Of what ends it when its own workflow can't. */
  readonly settlementId: string;
}

/** A promotion that has not ended, or whose workflow is not archived yet. */
export interface PromotionFact extends PromotionWorkflows {
  readonly state: string;
  /** RFC 3339, as all times here. */
  readonly requestedAt: string;
  readonly endedAt: string | null;
  readonly isSealed: boolean;
}

/** A lease, or a place in its queue, of a promotion that has ended. */
export interface EndedHolderFact extends PromotionWorkflows {
  readonly resource: string;
}

/** A release request that resolves. */
export interface ReleaseRequestFact {
  readonly requestId: string;
  readonly workflowId: string;
  readonly createdAt: string;
}

/** A workflow whose histories are not archived. */
export interface UnarchivedFact {
  readonly workflowId: string;
  /** When the engine was found to have forgotten it; null while it is to be archived. */
  readonly lostAt: string | null;
  /** True when it is of a promotion that is not sealed: it waits for the packet. */
  readonly awaitsPacket: boolean;
  /** Null while its promotion is open, or where it is of none. */
  readonly promotionEndedAt: string | null;
}

/** A workflow that is marked as archived although no run of it is. */
export interface EmptyArchiveFact {
  readonly workflowId: string;
  /** When it was marked. */
  readonly archivedAt: string;
}

/** An archived history whose file was looked for. */
export interface HistoryFact {
  readonly workflowId: string;
  readonly runId: string;
  readonly archiveDigest: string;
  readonly file: 'there' | 'missing' | 'damaged' | 'unreadable';
  /** Code of what stands in the way where it is `unreadable`, such as `EIO`; else null. */
  readonly error: string | null;
}

/** A workflow that does not go on. */
export interface StuckFact {
  readonly workflowId: string;
  readonly code: string;
  readonly message: string;
}

/** What the records and an agent say of one target. */
export interface TargetFact {
  readonly target: string;
  /** Digest of the release that the records name; null for none. */
  readonly recorded: string | null;
  /** Since when neither the records nor a promotion have changed it; null when they never did. */
  readonly quietSince: string | null;
  /** Digest of the release that the agent says is active; null for none. */
  readonly told: string | null;
  /** When the agent said so; null before it ever did. */
  readonly toldAt: string | null;
  /** True while a promotion has a deployment there, or a command is on its way. */
  readonly isBusy: boolean;
}

/** The newest deployment of a target, of a promotion that has ended without its agent's last word. */
export interface UnsettledDeploymentFact {
  readonly promotionId: string;
  readonly target: string;
}

/** A message to the engine that is not delivered. */
export interface MessageFact {
  readonly messageId: number;
  readonly kind: string;
  readonly workflowId: string;
  readonly createdAt: string;
  readonly attempts: number;
  readonly lastError: string | null;
}

/**
 * What the parts of the system say of one tenant. The order in which they are asked matters: first for the pending messages,
 * then the engine, then the records. So whatever is delivered, ends or is archived meanwhile is seen by the later look.
 */
export interface ReconcileFacts {
  /** Time of the look at the records, by their clock. */
  readonly now: string;
  /** By workflow id; one that was not asked for is absent, and nothing is said of it. */
  readonly workflows: ReadonlyMap<string, WorkflowFact>;
  /** Ids of workflows with a start or reset on its way. */
  readonly pendingStarts: ReadonlySet<string>;
  readonly promotions: readonly PromotionFact[];
  readonly endedHolders: readonly EndedHolderFact[];
  readonly releaseRequests: readonly ReleaseRequestFact[];
  readonly unarchived: readonly UnarchivedFact[];
  readonly emptyArchives: readonly EmptyArchiveFact[];
  readonly histories: readonly HistoryFact[];
  readonly stuck: readonly StuckFact[];
  readonly targets: readonly TargetFact[];
  readonly unsettledDeployments: readonly UnsettledDeploymentFact[];
  readonly messages: readonly MessageFact[];
}
