import type { ToldPromotion, ToldService } from '../demo-story.ts';
import type { LoadRecord } from '../load/load-record.ts';

/** A stage of a rollout as it went. Times in seconds since the load began. */
export type ToldStage = {
  readonly name: string;
  /** Targets that have the new version at its end. */
  readonly targets: number;
  /** Of the requests, in percent; null where none were moved. */
  readonly share: number | null;
  readonly from: number;
  readonly to: number;
  /** `pass`, `fail` or `inconclusive`; null where nobody looked. */
  readonly outcome: string | null;
  /** 0 to 100. */
  readonly score: number | null;
  readonly reason: string | null;
};

/** A change of where requests go that was confirmed. */
export type ToldShare = {
  /** Seconds since the load began. */
  readonly at: number;
  /** Of the requests that see the new version, in percent. */
  readonly percent: number;
};

/** One rollout of the story. Times in seconds since the load began. */
export type ToldRollout = {
  readonly promotion: string;
  readonly version: string;
  readonly before: string;
  readonly state: string;
  readonly from: number;
  readonly to: number;
  readonly stages: readonly ToldStage[];
  readonly shares: readonly ToldShare[];
  /** When it was said that it fails; null when it did not. */
  readonly failedAt: number | null;
  /** When the proxy had confirmed that no request goes to the new version any more; null when it did not fail. */
  readonly offAt: number | null;
  /** When every target had the old version again; null when it did not fail. */
  readonly revertedAt: number | null;
};

/** What the story of the canary left. */
export type CanaryStory = {
  readonly proxy: { readonly kind: string; readonly version: string; readonly url: string };
  /** Version; null where there is none. */
  readonly prometheus: string | null;
  readonly promotions: readonly ToldPromotion[];
  readonly rollouts: readonly ToldRollout[];
  readonly load: {
    readonly record: LoadRecord;
    readonly perSecond: number;
    readonly skipped: number;
    readonly retried: number;
  };
  readonly services: readonly ToldService[];
  /** Absolute path of the trust root. */
  readonly trustRootFile: string;
};
