import type { EvidenceStore } from '@sluice/evidence-store';
import type { Nix } from '@sluice/nix';
import type { Logger } from '@sluice/observability';
import type { Pool } from '@sluice/persistence';
import type { SignerClient } from '@sluice/signing';
import type { ActivityScope } from './activity-scope.ts';
import type { ConfiguredProviders } from './analysis/analysis-providers.ts';
import type { DecisionEngine } from './gate/decision-engine.ts';
import type { NotifyChannels } from './notify/notify-channels.ts';
import type { OutboundClients } from './outbound/outbound-clients.ts';
import type { ImageScanner } from './scan/image-scanner.ts';
import type { ScriptSandbox } from './script/script-sandbox.ts';
import type { SecretSource } from './secrets/secret-source.ts';
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
  /** Builds; absent where this worker has none. */
  readonly nix?: Nix | undefined;
  /** Looks at this machine's Nix again, when it could not work whatever was to be built; comes to what it lacks, where it lacks what it had. */
  readonly nixTrouble?: (() => Promise<string | undefined>) | undefined;
  /** Ask over HTTP; absent where this worker serves no step that does. */
  readonly outbound?: OutboundClients | undefined;
  /** Where notifications go; absent where there are none. */
  readonly channels?: NotifyChannels | undefined;
  /** Where analyses ask for metrics, beside the agents' own samples; absent where there are none. */
  readonly analysisProviders?: ConfiguredProviders | undefined;
  /** Values of secrets; absent where this worker has none. */
  readonly secrets?: SecretSource | undefined;
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
  /** Where scripts run; none can when absent. */
  readonly sandbox?: ScriptSandbox | undefined;
  /** Milliseconds since the epoch; a fake stands here in tests. Never written into signed content. */
  readonly now?: () => number;
}
