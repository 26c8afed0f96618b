import type { RouterKind, RouteTable } from '@sluice/domain';

/** Stable codes of what kept a change from being made; what a report of an agent carries. */
export const ROUTE_CODES = [
  /** The table is none, or the proxy does not take what it would make of it. Nothing was changed. */
  'route-invalid',
  /** What stands there is neither ours nor what stood there before us. Nothing was changed. */
  'route-foreign',
  /** The proxy does not run or does not answer. */
  'router-down',
  /** The change was made, and the proxy did not come to serve it in time. */
  'route-unserved',
  /** There is no table before the one in force. */
  'route-without-previous',
] as const;

/** One of {@link ROUTE_CODES}. */
export type RouteCode = (typeof ROUTE_CODES)[number];

/** How a change ended. */
export type RouteOutcome =
  | {
      /** The proxy serves it: looked at after the change. */
      readonly state: 'confirmed';
      /** SHA-256 of the canonical table; null when what stood there before the first table was put back. */
      readonly digest: string | null;
      /** The share that the proxy really gives to the canary pool. */
      readonly effectivePermille: number;
      /** False: it was in force already, and nothing was changed. */
      readonly changed: boolean;
      /**
       * No request is open any more at a server that lost its share; false when some were after the wait; null when the
       * proxy does not tell.
       */
      readonly drained: boolean | null;
    }
  /** What was in force before is in force again, or will be as soon as the proxy is up. */
  | { readonly state: 'reverted'; readonly code: RouteCode; readonly message: string }
  /** Nothing was changed. */
  | { readonly state: 'refused'; readonly code: RouteCode; readonly message: string };

/** What the proxy does now, read from it. */
export interface ObservedRoutes {
  /** It runs and answers. */
  readonly up: boolean;
  /** SHA-256 of the canonical table that it serves; null when it serves none of ours. */
  readonly digest: string | null;
  /** Share of the requests that it gives to the canary pool; null when it serves no table of ours. */
  readonly effectivePermille: number | null;
  /** The table that it serves. */
  readonly table: RouteTable | null;
  /**
   * SHA-256 of the table that counts as in force, also while the proxy is down or serves something else: {@link Router.resume} puts it there.
   * Null when none does.
   */
  readonly held: string | null;
  /** It was edited by hand: what is there is neither our table nor what stood there before us. */
  readonly foreign: boolean;
  /** Why it is down or foreign; else null. */
  readonly note: string | null;
}

/** Requests and failures of one server since it was counted last. */
export interface RouteCounts {
  readonly server: string;
  readonly requests: number;
  /** Answers of 500 and above, and requests that it did not answer. */
  readonly errors: number;
}

/**
 * One backend of one proxy on this host. Calls wait for each other; each may be repeated after the process was killed
 * in it.
 */
export interface Router {
  readonly kind: RouterKind;
  /** Reads; changes nothing. */
  read(signal?: AbortSignal): Promise<ObservedRoutes>;
  /**
   * Makes the change, looks at it after, and puts back what was in force when that fails.
   * @param signal ends the waiting; a change that is not yet served is put back then
   */
  apply(table: RouteTable, signal?: AbortSignal): Promise<RouteOutcome>;
  /** Puts the table back that was in force before this one; before the first, what stood there without us. */
  restore(signal?: AbortSignal): Promise<RouteOutcome>;
  /**
   * Sees to it that the table in force is served: finishes what a killed process left half done, and tells a proxy again
   * that started anew without it. Call it at the start and from time to time.
   * @returns true when something had to be done
   * @throws RouterError when the proxy is down or was edited by hand: a person must look
   */
  resume(signal?: AbortSignal): Promise<boolean>;
  /** Requests by server since the last call; undefined where the proxy does not count them. */
  counts?(signal?: AbortSignal): Promise<readonly RouteCounts[]>;
  /** Lets go; the proxy keeps serving. */
  close(): Promise<void>;
}
