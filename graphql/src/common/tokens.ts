import type { AgentSettings } from '@sluice/domain';
import type { EvidenceStore } from '@sluice/evidence-store';
import type { CodecKeys } from '@sluice/temporal-client';
import type { EngineClient } from './engine-client.ts';
import type { Wakeups } from './wakeups.ts';

/** Under this name Nest injects the {@link GraphqlParts}; explicit, because the build keeps no metadata. */
export const GRAPHQL_PARTS = Symbol('GraphqlParts');

/** What the resolvers need that is the same for every request. */
export interface GraphqlParts {
  readonly evidence: EvidenceStore;
  /** Open archived histories; they never leave this process. */
  readonly codecKeys: CodecKeys;
  /** The trust root file's text as it is now. */
  readonly readTrustRoot: () => Promise<string>;
  readonly agents: AgentSettings;
  readonly wakeups: Wakeups;
  readonly engine: EngineClient;
  /** How long `createRelease` waits for its answer. Milliseconds. */
  readonly releaseWaitMs: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}
