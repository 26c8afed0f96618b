import type { ReleaseNameView } from './approval-operations.ts';
import type { ProblemView } from './history-operations.ts';
import type { CompensationView, MemberCountsView, ReasonView } from './operations.ts';
import type { RolloutView } from './rollout-operations.ts';

/** The GraphQL subscription of `promotion watch`, and what it selects. */
export const WATCH_OPERATIONS = {
  promotionProgress: `subscription PromotionProgress($promotion: ID!, $after: String) {
    promotionProgress(promotion: $promotion, after: $after) {
      position
      event { id type actor subject data occurredAt }
      promotion {
        id kind state startedAt endedAt requestedAt
        reason { code message }
        release { id name version }
        environment { name }
        steps {
          id type state startedAt endedAt seconds reason { code message }
          memberCounts { total pending running succeeded denied failed skipped cancelled reverted }
        }
        compensation {
          complete
          steps { step type state undoes byHand undoneMembers memberCount reason { code message } }
        }
        deployments { state target { name } failure { code message } }
        problem { code message cause attempt event activity buildId since wayOut }
        rollouts {
          step strategy state stage phase startedAt changedAt endedAt pausedUntil
          reason { code message }
          router { route { canaryPermille } }
          stages { name }
        }
        approval {
          state deadline
          rule { count roles }
          decisions { principal decision recorded }
          blockedForMe { code message }
        }
      }
    }
  }`,
} as const;

/** An event as the subscription selects it. */
export interface EventView {
  readonly id: string;
  readonly type: string;
  readonly actor: string;
  readonly subject: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly occurredAt: string;
}

/** What one line says of a rollout. */
export type RolloutLineView = Pick<
  RolloutView,
  | 'step'
  | 'strategy'
  | 'state'
  | 'stage'
  | 'phase'
  | 'startedAt'
  | 'changedAt'
  | 'endedAt'
  | 'pausedUntil'
  | 'reason'
> & {
  readonly router: { readonly route: { readonly canaryPermille: number } | null } | null;
  readonly stages: readonly { readonly name: string }[];
};

/** A promotion as the subscription selects it. */
export interface ProgressPromotionView {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly requestedAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly reason: ReasonView | null;
  readonly release: ReleaseNameView;
  readonly environment: { readonly name: string };
  readonly steps: readonly {
    readonly id: string;
    readonly type: string;
    readonly state: string;
    readonly startedAt: string | null;
    readonly endedAt: string | null;
    readonly seconds: number | null;
    readonly reason: ReasonView | null;
    /** Null where it runs once. */
    readonly memberCounts: MemberCountsView | null;
  }[];
  /** Null while all goes well. */
  readonly compensation: CompensationView | null;
  readonly deployments: readonly {
    readonly state: string;
    readonly target: { readonly name: string };
    readonly failure: ReasonView | null;
  }[];
  readonly problem: ProblemView | null;
  /** Absent in answers of before there were any. */
  readonly rollouts?: readonly RolloutLineView[];
  readonly approval: {
    readonly state: string;
    readonly deadline: string;
    readonly rule: { readonly count: number; readonly roles: readonly string[] };
    readonly decisions: readonly {
      readonly principal: string;
      readonly decision: string;
      readonly recorded: boolean;
    }[];
    readonly blockedForMe: ReasonView | null;
  } | null;
}

/** One message of the subscription. */
export interface ProgressView {
  /** Grows from message to message. */
  readonly position: string;
  readonly event: EventView;
  readonly promotion: ProgressPromotionView;
}
