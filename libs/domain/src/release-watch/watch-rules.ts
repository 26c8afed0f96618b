/** How long a release is watched after it is out, by what, and what an alarm leads to. */
export interface WatchRules {
  /** From the promotion's end on. */
  readonly seconds: number;
  /** Between two looks. */
  readonly everySeconds: number;
  /** The targets' health over HTTP; null where it is not asked for. */
  readonly probes: {
    /** Failures in a row of one target that are an alarm. */
    readonly failures: number;
  } | null;
  /** How fast the errors that are allowed are used up; null where it is not looked at. */
  readonly burnRate: BurnRateRules | null;
  readonly onAlarm: WatchAlarmAction;
}

/** What an alarm leads to. */
export const WATCH_ALARM_ACTIONS = ['rollback', 'notify'] as const;

/** One of {@link WATCH_ALARM_ACTIONS}. */
export type WatchAlarmAction = (typeof WATCH_ALARM_ACTIONS)[number];

/** A service level objective, and when it is missed too fast. */
export interface BurnRateRules {
  /** Share of the requests that must be answered well, such as 0.999. */
  readonly objective: number;
  /** With fewer requests than this in a window nothing is said about it. */
  readonly minRequests: number;
  readonly source: BurnRateSource;
  /** One of them is enough for an alarm. */
  readonly windows: readonly BurnRateWindow[];
}

/** Who counts requests and errors. */
export type BurnRateSource =
  | {
      /** The agents, of their own services. */
      readonly kind: 'probes';
    }
  | {
      readonly kind: 'provider';
      /** Name of a provider of analyses. */
      readonly provider: string;
      /** Query for errors per second; no series stands for none. */
      readonly errors: string;
      /** Query for requests per second. */
      readonly total: string;
    };

/** Two windows that must both burn at this factor: the long one says that it matters, the short one that it goes on. */
export interface BurnRateWindow {
  readonly longSeconds: number;
  readonly shortSeconds: number;
  /** How many times faster than the objective allows. */
  readonly factor: number;
}

/** The longest watch: 30 days. */
export const MAX_WATCH_SECONDS = 30 * 24 * 3600;

/** The shortest watch. */
export const MIN_WATCH_SECONDS = 10;

/** Seconds between two looks where nothing is said. */
export const DEFAULT_WATCH_EVERY_SECONDS = 30;

/** Failures in a row that are an alarm where nothing is said. */
export const DEFAULT_WATCH_FAILURES = 3;

/** Requests that a window needs where nothing is said. */
export const DEFAULT_MIN_REQUESTS = 10;

/** The longest long window: 3 days. */
export const MAX_WINDOW_SECONDS = 3 * 24 * 3600;

/** The longest window of all, in shortest ones: one query answers for both. */
export const MAX_WINDOW_RATIO = 1000;

/** Pairs of windows. */
export const MAX_WINDOWS = 5;

/** As the workbook on site reliability has them for pages; both leave out what only tickets are for. */
export const DEFAULT_BURN_RATE_WINDOWS: readonly BurnRateWindow[] = [
  { longSeconds: 3600, shortSeconds: 300, factor: 14.4 },
  { longSeconds: 21_600, shortSeconds: 1800, factor: 6 },
];

/** Who a rollback is asked for by that an alarm opened; no principal can have this name. */
export const WATCH_REQUESTER = 'system:watch';

/** States of a watch; all but the first are its ends. */
export const WATCH_STATES = ['watching', 'held', 'alarmed', 'superseded', 'failed'] as const;

/** One of {@link WATCH_STATES}. */
export type WatchState = (typeof WATCH_STATES)[number];
