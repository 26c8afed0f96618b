import type { EvidenceStore } from '@sluice/evidence-store';
import type { Logger } from '@sluice/observability';
import type { Pool } from '@sluice/persistence';
import type { SignerClient } from '@sluice/signing';
import type { ActivityScope } from './activity-scope.ts';
import type { DecisionEngine } from './gate/decision-engine.ts';
import type { ImageScanner } from './scan/image-scanner.ts';
import type { Fetch } from './verify/http-probe.ts';

/** What activities act through; the composition root builds it once. */
export interface ActivityDependencies {
  /** Connections of the role sluice_worker. */
  readonly pool: Pool;
  readonly evidence: EvidenceStore;
  readonly signer: SignerClient;
  readonly scanner: ImageScanner;
  readonly decisions: DecisionEngine;
  readonly logger: Logger;
  /** The running attempt; a fake stands here in tests. */
  readonly scope: () => ActivityScope;
  readonly fetchUrl?: Fetch;
  /** Told how each attempt of an activity ended and what it took. */
  readonly observe?: (
    activity: string,
    outcome: 'done' | 'failed' | 'cancelled' | 'asynchronous',
    seconds: number,
  ) => void;
  /** How long a promotion that a rollback superseded has to end by itself before it is ended. Seconds; 10 when absent. */
  readonly supersedeGraceSeconds?: number | undefined;
  /** Digest of the workflow code that this worker runs; noted with each promotion that it begins, where it is known. */
  readonly bundleDigest?: string | undefined;
  /** Milliseconds since the epoch; a fake stands here in tests. Never written into signed content. */
  readonly now?: () => number;
}
