import type { AgentSettings } from '@sluice/domain';
import type { EvidenceStore } from '@sluice/evidence-store';
import type { EngineClient, QueryLimits } from '@sluice/graphql';
import type { Logger, Metrics } from '@sluice/observability';
import type { Pool } from '@sluice/persistence';
import type { CodecKeys } from '@sluice/temporal-client';
import type { ReadinessCheck } from './health/readiness.ts';
import type { SubscriptionLimits } from './subscriptions/subscription-limits.ts';
import type { SharedWakeups } from './wakeups/shared-wakeups.ts';

/** Under this name Nest injects the {@link ApiParts}; explicit, because the build keeps no metadata. */
export const API_PARTS = Symbol('ApiParts');

/** Everything that the API is made of; the composition root (or a test) builds them. */
export interface ApiParts {
  /** Connections of the role `sluice_app`. */
  readonly pool: Pool;
  readonly evidence: EvidenceStore;
  /** Open archived histories. */
  readonly codecKeys: CodecKeys;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly wakeups: SharedWakeups;
  readonly engine: EngineClient;
  /** What one operation may ask for. */
  readonly queryLimits: QueryLimits;
  /** How many subscribers this process serves. */
  readonly subscriptionLimits: SubscriptionLimits;
  /** The tenant that the configuration file names. */
  readonly tenantId: string;
  readonly agents: AgentSettings;
  /** Scheme and host under which agents reach the API through a proxy; null when they reach it as it listens. */
  readonly publicUrl: URL | null;
  /** The trust root file's text as it is now. */
  readonly readTrustRoot: () => Promise<string>;
  /** The enrolment key's bytes; undefined where agents can't be enrolled by token. */
  readonly readEnrolmentKey: () => Promise<Uint8Array | undefined>;
  readonly readinessChecks: readonly ReadinessCheck[];
  /** How long `createRelease` waits for its answer. Milliseconds. */
  readonly releaseWaitMs: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}
