import type { History, ResetPreview } from '@sluice/temporal-client';
import type {
  DecideApprovalInput,
  DecideApprovalResult,
  PromotionRef,
  SteerRolloutInput,
  SteerRolloutResult,
} from '@sluice/temporal-contract';

/** What the engine says to an Update that is not done; none of these is an error of ours. */
export type UpdateRefusal<Unanswered extends string> =
  /** The workflow's validator refused it; nothing stands in its history. */
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  /** The promotion's run is closed: nothing can be decided or steered any more. */
  | { readonly kind: 'ended' }
  /** The promotion's run has not begun. */
  | { readonly kind: 'not-started' }
  /** No answer in time: it may still come to count. Asking again under the same id counts once. */
  | {
      readonly kind: 'unavailable';
      /** `engine-unreachable` when nobody answers there; the other one when no worker took it. */
      readonly code: 'engine-unreachable' | Unanswered;
    };

/** What the engine made of a decision. `decided`: it counts, and its record is written. */
export type DecideAnswer =
  | { readonly kind: 'decided'; readonly result: DecideApprovalResult }
  | UpdateRefusal<'approval-unanswered'>;

/** What the engine made of somebody's steering. `steered`: the rollout took it, and its record is written. */
export type SteerAnswer =
  | { readonly kind: 'steered'; readonly result: SteerRolloutResult }
  | UpdateRefusal<'steer-unanswered'>;

/** What the engine says to a reset that somebody thinks of; none of these is an error of ours. */
export type ResetPreviewAnswer =
  /** Of the newest run. */
  | { readonly kind: 'preview'; readonly runId: string; readonly preview: ResetPreview }
  /** There is no workflow task to go back to at or before the event. */
  | { readonly kind: 'impossible'; readonly message: string }
  /** The promotion's run has not begun, or the engine has forgotten it. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'unavailable'; readonly code: 'engine-unreachable' };

/** One run's history as the engine has it now, payloads encoded. */
export interface EngineHistory {
  readonly workflowId: string;
  readonly runId: string;
  readonly history: History;
}

/** Histories that are not archived yet; none of these is an error of ours. */
export type HistoriesAnswer =
  /** Oldest run first; none when the engine knows none. */
  | { readonly kind: 'histories'; readonly runs: readonly EngineHistory[] }
  | { readonly kind: 'too-large'; readonly message: string }
  | { readonly kind: 'unavailable'; readonly code: 'engine-unreachable' };

/** What the API asks of the durable engine itself; all else goes through the outbox. */
export interface EngineClient {
  /**
   * Hands a decision to the promotion's workflow and waits until its record is written, 10 s at most. The id of the
   * decision is the Update's id: the same one again gives the same answer and counts once.
   * @throws Error only for what is a fault of ours
   */
  decideApproval(promotion: PromotionRef, input: DecideApprovalInput): Promise<DecideAnswer>;
  /**
   * Hands what somebody does to a rollout to the promotion's workflow and waits until its record is written, 10 s at most. As
   * {@link EngineClient.decideApproval}.
   */
  steerRollout(promotion: PromotionRef, input: SteerRolloutInput): Promise<SteerAnswer>;
  /**
   * Reads the history of the promotion's newest run, closed or not, and says what a reset would do; 10 s at most.
   * @param event number of an event; undefined: the last workflow task that ended well
   * @throws Error only for what is a fault of ours
   */
  previewReset(promotion: PromotionRef, event: number | undefined): Promise<ResetPreviewAnswer>;
  /**
   * Reads the histories of every run of the promotion's workflow and of its settlement, closed or not; 10 s and 64 MiB at most.
   * @param except ids of runs that are not wanted
   * @throws Error only for what is a fault of ours
   */
  readHistories(promotion: PromotionRef, except: readonly string[]): Promise<HistoriesAnswer>;
}
