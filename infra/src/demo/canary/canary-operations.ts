/** Reads how a promotion reaches its targets; variables `{id}`. */
export const ROLLOUTS = `query DemoRollouts($id: ID!) {
  promotion(id: $id) { rollouts {
    step state stage phase reason { code message } startedAt endedAt
    stages {
      index name state canaryPermille soakSeconds
      memberCounts { total }
      analysis { outcome score reason { code message } startedAt endedAt }
    }
    routeChanges { stage canaryPermille state failure { code message } dispatchedAt settledAt }
  } }
}`;

/** Reads which routers' agents are there. */
export const ROUTERS = 'query DemoRouters { routers { name agent { state } } }';

type Reason = { readonly code: string; readonly message: string };

/** One of what {@link ROLLOUTS} answers. Times are RFC 3339. */
export type RolloutAnswer = {
  readonly step: string;
  readonly state: string;
  readonly stage: number;
  readonly phase: string;
  readonly reason: Reason | null;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly stages: readonly {
    readonly index: number;
    readonly name: string;
    readonly state: string;
    readonly canaryPermille: number | null;
    readonly soakSeconds: number;
    readonly memberCounts: { readonly total: number };
    readonly analysis: {
      readonly outcome: string;
      readonly score: number | null;
      readonly reason: Reason | null;
      readonly startedAt: string;
      readonly endedAt: string;
    } | null;
  }[];
  readonly routeChanges: readonly {
    readonly stage: number | null;
    readonly canaryPermille: number;
    readonly state: string;
    readonly failure: Reason | null;
    readonly dispatchedAt: string;
    readonly settledAt: string | null;
  }[];
};
