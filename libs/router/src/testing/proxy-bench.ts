import type { RouteDriver } from '../route-driver.ts';

/** The one backend of a bench, and the server that it has before there is a table. */
export const BENCH_BACKEND = 'shop';
export const BASE_SERVER = 'base';

/** A real proxy of a kind, for the conformance checks: started with a backend of its own that has one server. */
export interface ProxyBench {
  /** Where clients ask. */
  readonly port: number;
  /** A driver of it, as an agent would have after a restart. */
  makeDriver(): RouteDriver;
  start(): Promise<void>;
  /** Ends all of its processes at once, by SIGKILL. */
  kill(): Promise<void>;
  /** As a person would: the routes are others than Sluice's then. */
  editByHand(): Promise<void>;
  undoEdit(): Promise<void>;
  /** What the proxy can not take, made of what it can. */
  spoil(text: string): string;
  /**
   * How long the proxy may answer by an old table after a change was confirmed: 0 but for those that can not be asked.
   */
  readonly settleMs?: number;
  /** Stickiness by a cookie moves visitors to the canary pool as its share grows; false where it only keeps them. */
  readonly movesVisitors: boolean;
  /** A change may cost a request that comes in the same moment: the proxy's own doing, bounded by those under way. */
  readonly dropsRequests?: boolean;
  close(): Promise<void>;
}
