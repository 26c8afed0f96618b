import type { StageAnalysisView } from './analysis-operations.ts';
import type { MemberCountsView, ReasonView } from './operations.ts';

/** GraphQL operations around rollouts and routers, and what they select. */

const ROLLOUT = `
  fragment RolloutFields on Rollout {
    id step round strategy state stage phase startedAt changedAt endedAt pausedUntil
    reason { code message }
    router { name kind route { canaryPermille } }
    stages {
      index name state canaryPermille soakSeconds analysed gated pauses
      memberCounts { total pending running succeeded denied failed skipped cancelled reverted }
      targets { name state reason { code message } }
      analysis { outcome score reason { code message } documentDigest startedAt endedAt }
    }
    routeChanges { router stage canaryPermille state failure { code message } dispatchedAt settledAt }
    steers { id principal action comment recorded refusal { code message } stage at }
  }`;

/** These operations, by name. */
export const ROLLOUT_OPERATIONS = {
  rollouts: `query Rollouts($id: ID!) {
    promotion(id: $id) {
      id state
      release { id name version }
      environment { name }
      rollouts { ...RolloutFields }
    }
  } ${ROLLOUT}`,
  steerRollout: `mutation SteerRollout($input: SteerRolloutInput!) {
    steerRollout(input: $input) {
      __typename
      ... on Rollout { ...RolloutFields }
      ... on Refusal { __typename code message }
    }
  } ${ROLLOUT}`,
  routers: `query Routers {
    routers {
      name kind backend labels
      environment { name }
      agent { state version lastHeartbeatAt }
      route {
        digest canaryPermille match promotion since
        stable { name address port }
        canary { name address port }
      }
    }
  }`,
} as const;

/** One stage as the operations select it. */
export interface RolloutStageView {
  readonly index: number;
  readonly name: string;
  readonly state: 'PENDING' | 'RUNNING' | 'HELD' | 'FAILED' | 'SKIPPED';
  /** Null where requests are not moved. */
  readonly canaryPermille: number | null;
  readonly soakSeconds: number;
  readonly analysed: boolean;
  readonly gated: boolean;
  readonly pauses: boolean;
  readonly memberCounts: MemberCountsView;
  /** The first hundred. */
  readonly targets: readonly {
    readonly name: string;
    readonly state: string;
    readonly reason: ReasonView | null;
  }[];
  readonly analysis: StageAnalysisView | null;
}

/** What somebody did, or tried to do. */
export interface RolloutSteerView {
  readonly id: string;
  readonly principal: string;
  readonly action: string;
  readonly comment: string;
  readonly recorded: boolean;
  readonly refusal: ReasonView | null;
  /** Index of the stage that it met. */
  readonly stage: number | null;
  readonly at: string;
}

/** A rollout as the operations select it. */
export interface RolloutView {
  readonly id: string;
  readonly step: string;
  readonly round: number;
  readonly strategy: string;
  readonly state: 'RUNNING' | 'PAUSED' | 'COMPLETED' | 'FAILED' | 'ABORTED' | 'CANCELLED';
  readonly stage: number;
  readonly phase: 'GATE' | 'DEPLOY' | 'TRAFFIC' | 'SOAK' | 'HELD';
  readonly startedAt: string;
  readonly changedAt: string;
  readonly endedAt: string | null;
  readonly pausedUntil: string | null;
  readonly reason: ReasonView | null;
  /** Null where nothing moves requests. */
  readonly router: {
    readonly name: string;
    readonly kind: string;
    readonly route: { readonly canaryPermille: number } | null;
  } | null;
  readonly stages: readonly RolloutStageView[];
  readonly routeChanges: readonly {
    readonly router: string;
    readonly stage: number | null;
    readonly canaryPermille: number;
    readonly state: 'DISPATCHED' | 'CONFIRMED' | 'REVERTED' | 'REFUSED';
    readonly failure: ReasonView | null;
    readonly dispatchedAt: string;
    readonly settledAt: string | null;
  }[];
  readonly steers: readonly RolloutSteerView[];
}

/** A promotion with its rollouts. */
export interface PromotionRolloutsView {
  readonly id: string;
  readonly state: string;
  readonly release: { readonly id: string; readonly name: string; readonly version: string };
  readonly environment: { readonly name: string };
  readonly rollouts: readonly RolloutView[];
}

/** One server that requests go to. */
export interface RouteServerView {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

/** A router as the operation selects it. */
export interface RouterView {
  readonly name: string;
  readonly kind: string;
  readonly backend: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly environment: { readonly name: string };
  readonly agent: {
    readonly state: string;
    readonly version: string;
    readonly lastHeartbeatAt: string | null;
  } | null;
  readonly route: {
    readonly digest: string;
    readonly canaryPermille: number;
    readonly match: readonly unknown[];
    readonly promotion: string;
    readonly since: string;
    readonly stable: readonly RouteServerView[];
    readonly canary: readonly RouteServerView[];
  } | null;
}
