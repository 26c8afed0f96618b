import type { Outcome, RouterKind, RouteTable } from '@sluice/domain';
import type { RouteCounts } from './router.ts';

/** What stands where the proxy reads its routes from. */
export interface RouteDocument {
  /** Null: nothing. */
  readonly text: string | null;
  /** The table that it says; null for what stood there before us. */
  readonly table: RouteTable | null;
  /** Of what stood there before us: the mark that it had, which is one where Sluice forgot that it wrote it. */
  readonly mark?: string | null;
}

/** What the running proxy does. */
export type ServedRoutes =
  | { readonly up: false; readonly why: string }
  | {
      readonly up: true;
      /** {@link RouteDriver.markOf} of the table that it serves; null when it serves none of ours. */
      readonly mark: string | null;
      /** What was changed in the running proxy alone, by hand; absent when nothing was. */
      readonly altered?: string;
    };

/**
 * One kind of proxy, as the router needs it: what to write, how to have it read, how to see that it is served. It keeps
 * nothing; the order of things, the way back and what survives a restart are the router's.
 */
export interface RouteDriver {
  readonly kind: RouterKind;
  /** For messages: `HAProxy at /run/haproxy.sock`. */
  readonly label: string;
  /** What the proxy shall read; pure: the same table, the same text. */
  render(table: RouteTable): string;
  /** What can be read from a running proxy that serves this table, and no other. */
  markOf(table: RouteTable): string;
  /** The share that the proxy gives to the canary pool when it is told this table. */
  effectivePermille(table: RouteTable): number;
  /** @throws RouterError `router-down` when it can not be read */
  readText(signal: AbortSignal): Promise<string | null>;
  /**
   * Never throws for a proxy that is down.
   * @param expected the table that should be served: what differs from it in the running proxy alone is `altered`
   */
  readServed(expected: RouteTable | null, signal: AbortSignal): Promise<ServedRoutes>;
  /** Asks the proxy whether it would take the text, without any change; refused with its last lines. */
  check(text: string, signal: AbortSignal): Promise<Outcome<true>>;
  /**
   * Replaces one document by another and has the proxy take it. It may return before that is served.
   * @throws RouterError
   */
  put(next: RouteDocument, before: RouteDocument, signal: AbortSignal): Promise<void>;
  /**
   * True when no request is open at a server of `before` that gets none of `next`; null when the proxy does not tell.
   */
  isDrained(next: RouteTable, before: RouteTable, signal: AbortSignal): Promise<boolean | null>;
  /** Totals since the proxy started; absent when it does not count. */
  totals?(signal: AbortSignal): Promise<readonly RouteCounts[]>;
  /** Told once at the start and whenever a document was put: for proxies that come to ask. */
  open?(current: RouteDocument): Promise<void>;
  close?(): Promise<void>;
}
