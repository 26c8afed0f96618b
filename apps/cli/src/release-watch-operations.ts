import type { ReleaseNameView } from './approval-operations.ts';
import type { ReasonView } from './operations.ts';

/** GraphQL operations around budgets and watches over releases, and what they select. */

const RELEASE_WATCH = `
  fragment ReleaseWatchFields on ReleaseWatch {
    state onAlarm rules since until endedAt lookedAt rounds blindSeconds
    reason { code message }
    blind { code message }
    failing { target failures }
    promotion { id environment { name } release { id name version } }
    rollback { id state release { id name version } }
  }`;

/** These operations, by name. */
export const RELEASE_WATCH_OPERATIONS = {
  watches: `query Watches($environment: ID, $state: WatchState) {
    watches(environment: $environment, state: $state) { ...ReleaseWatchFields }
  } ${RELEASE_WATCH}`,
  watch: `query Watch($id: ID!) {
    promotion(id: $id) { id state kind watch { ...ReleaseWatchFields } }
  } ${RELEASE_WATCH}`,
  budgets: `query Budgets {
    budgets {
      name selector maxUnavailable maxUnavailablePercent limit matching unavailable
      holders { target promotion }
    }
  }`,
} as const;

/** A watch over a release as the operations select it. */
export interface ReleaseWatchView {
  readonly state: 'WATCHING' | 'HELD' | 'ALARMED' | 'SUPERSEDED' | 'FAILED';
  readonly onAlarm: 'ROLLBACK' | 'NOTIFY';
  readonly rules: Readonly<Record<string, unknown>>;
  readonly since: string;
  readonly until: string;
  readonly endedAt: string | null;
  readonly lookedAt: string | null;
  readonly rounds: number;
  readonly blindSeconds: number;
  readonly reason: ReasonView | null;
  readonly blind: ReasonView | null;
  readonly failing: readonly { readonly target: string; readonly failures: number }[];
  readonly promotion: {
    readonly id: string;
    readonly environment: { readonly name: string };
    readonly release: ReleaseNameView;
  };
  readonly rollback: {
    readonly id: string;
    readonly state: string;
    readonly release: ReleaseNameView;
  } | null;
}

/** A disruption budget as the operations select it. */
export interface BudgetView {
  readonly name: string;
  readonly selector: Readonly<Record<string, string>>;
  readonly maxUnavailable: number | null;
  readonly maxUnavailablePercent: number | null;
  readonly limit: number;
  readonly matching: number;
  readonly unavailable: number;
  readonly holders: readonly { readonly target: string; readonly promotion: string | null }[];
}
