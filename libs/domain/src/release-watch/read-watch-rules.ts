import { isName } from '../name.ts';
import {
  type BurnRateRules,
  type BurnRateSource,
  type BurnRateWindow,
  DEFAULT_BURN_RATE_WINDOWS,
  DEFAULT_MIN_REQUESTS,
  DEFAULT_WATCH_EVERY_SECONDS,
  DEFAULT_WATCH_FAILURES,
  MAX_WATCH_SECONDS,
  MAX_WINDOW_RATIO,
  MAX_WINDOW_SECONDS,
  MAX_WINDOWS,
  MIN_WATCH_SECONDS,
  WATCH_ALARM_ACTIONS,
  type WatchAlarmAction,
  type WatchRules,
} from './watch-rules.ts';

/** One thing that is wrong with what was written of a watch. */
export interface WatchProblem {
  /** Under the watch: `burnRate.windows[0].factor`; empty for the watch itself. */
  readonly path: string;
  readonly what: string;
  readonly how: string;
}

/** The rules with every default filled in, or all that is wrong. */
export type ReadWatchRules =
  | { readonly ok: true; readonly value: WatchRules }
  | { readonly ok: false; readonly problems: readonly WatchProblem[] };

const MAX_QUERY = 4000;
const MAX_FACTOR = 1_000_000;
const MAX_MIN_REQUESTS = 1_000_000;
const MAX_FAILURES = 1000;

/** Reads the `watch` of an environment as a person wrote it: a value of unknown form. */
export function readWatchRules(value: unknown): ReadWatchRules {
  const problems: WatchProblem[] = [];
  const refuse: Refuse = (path, what, how) => void problems.push({ path, what, how });
  const known = ['seconds', 'everySeconds', 'probes', 'burnRate', 'onAlarm'];
  const entry = mapping(refuse, value, '', known);
  if (entry !== value) return { ok: false, problems };
  const seconds = number(refuse, entry['seconds'], 'seconds', {
    min: MIN_WATCH_SECONDS,
    max: MAX_WATCH_SECONDS,
  });
  const everySeconds = number(refuse, entry['everySeconds'], 'everySeconds', {
    min: 1,
    max: 3600,
    fallback: Math.min(DEFAULT_WATCH_EVERY_SECONDS, seconds),
  });
  const probes = entry['probes'] === undefined ? null : readProbes(refuse, entry['probes']);
  const burnRate = entry['burnRate'] === undefined ? null : readBurnRate(refuse, entry['burnRate']);
  if (probes === null && burnRate === null) {
    refuse('', 'looks at nothing', 'write probes, burnRate, or both');
  }
  if (everySeconds > seconds) {
    refuse('everySeconds', `is ${everySeconds}, more than the whole watch`, 'write less');
  }
  const { onAlarm } = entry;
  if (!WATCH_ALARM_ACTIONS.includes(onAlarm as WatchAlarmAction)) {
    refuse('onAlarm', shown(onAlarm), `write ${WATCH_ALARM_ACTIONS.join(' or ')}`);
  }
  if (problems.length > 0) return { ok: false, problems };
  const action = onAlarm as WatchAlarmAction;
  return { ok: true, value: { seconds, everySeconds, probes, burnRate, onAlarm: action } };
}

type Refuse = (path: string, what: string, how: string) => void;
type Mapping = Readonly<Record<string, unknown>>;

function readProbes(refuse: Refuse, value: unknown): WatchRules['probes'] {
  const entry = mapping(refuse, value, 'probes', ['failures']);
  const bounds = { min: 1, max: MAX_FAILURES, fallback: DEFAULT_WATCH_FAILURES };
  return { failures: number(refuse, entry['failures'], 'probes.failures', bounds) };
}

function readBurnRate(refuse: Refuse, value: unknown): BurnRateRules {
  const at = 'burnRate';
  const known = ['objective', 'minRequests', 'provider', 'errors', 'total', 'windows'];
  const entry = mapping(refuse, value, at, known);
  const { objective } = entry;
  const isShare = typeof objective === 'number' && objective >= 0.5 && objective <= 0.999_999;
  if (!isShare) {
    refuse(
      `${at}.objective`,
      shown(objective),
      'write a share from 0.5 to 0.999999, such as 0.999',
    );
  }
  return {
    objective: isShare ? objective : 0.999,
    minRequests: number(refuse, entry['minRequests'], `${at}.minRequests`, {
      min: 1,
      max: MAX_MIN_REQUESTS,
      fallback: DEFAULT_MIN_REQUESTS,
    }),
    source: readSource(refuse, entry, at),
    windows: readWindows(refuse, entry['windows'], `${at}.windows`),
  };
}

function readSource(refuse: Refuse, entry: Mapping, at: string): BurnRateSource {
  const { provider = 'probes', errors, total } = entry;
  if (provider === 'probes') {
    for (const [name, query] of Object.entries({ errors, total })) {
      if (query !== undefined) {
        refuse(`${at}.${name}`, 'stands beside probes', 'remove it, or name a provider');
      }
    }
    return { kind: 'probes' };
  }
  if (typeof provider !== 'string' || !isName(provider)) {
    refuse(`${at}.provider`, shown(provider), 'write probes, or the name of a provider');
  }
  const query = (value: unknown, name: string): string => {
    if (typeof value === 'string' && value.trim() !== '' && value.length <= MAX_QUERY) return value;
    refuse(`${at}.${name}`, shown(value), `write a query of at most ${MAX_QUERY} characters`);
    return '';
  };
  const name = String(provider);
  return {
    kind: 'provider',
    provider: name,
    errors: query(errors, 'errors'),
    total: query(total, 'total'),
  };
}

function readWindows(refuse: Refuse, value: unknown, at: string): readonly BurnRateWindow[] {
  if (value === undefined) return DEFAULT_BURN_RATE_WINDOWS;
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_WINDOWS) {
    const what = Array.isArray(value) ? `has ${value.length} entries` : shown(value);
    refuse(at, what, `write a list of 1 to ${MAX_WINDOWS} windows`);
    return [];
  }
  const windows = value.map((one: unknown, index) => readWindow(refuse, one, `${at}[${index}]`));
  const longest = Math.max(...windows.map(({ longSeconds }) => longSeconds));
  const shortest = Math.min(...windows.map(({ shortSeconds }) => shortSeconds));
  if (longest > shortest * MAX_WINDOW_RATIO) {
    const what = `its longest window is more than ${MAX_WINDOW_RATIO} times its shortest`;
    refuse(at, what, `write short windows of at least ${Math.ceil(longest / MAX_WINDOW_RATIO)} s`);
  }
  return windows;
}

function readWindow(refuse: Refuse, value: unknown, at: string): BurnRateWindow {
  const entry = mapping(refuse, value, at, ['longSeconds', 'shortSeconds', 'factor']);
  const bounds = { min: 1, max: MAX_WINDOW_SECONDS };
  const longSeconds = number(refuse, entry['longSeconds'], `${at}.longSeconds`, bounds);
  const shortSeconds = number(refuse, entry['shortSeconds'], `${at}.shortSeconds`, bounds);
  if (shortSeconds > longSeconds) {
    refuse(`${at}.shortSeconds`, 'is longer than the long window', `write at most ${longSeconds}`);
  }
  const { factor } = entry;
  const isFactor = typeof factor === 'number' && factor > 0 && factor <= MAX_FACTOR;
  if (!isFactor) refuse(`${at}.factor`, shown(factor), 'write a number above 0, such as 14.4');
  return { longSeconds, shortSeconds, factor: isFactor ? factor : 1 };
}

function mapping(refuse: Refuse, value: unknown, path: string, known: readonly string[]): Mapping {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    refuse(path, shown(value), 'write a mapping of key: value');
    return {};
  }
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue;
    const place = path === '' ? key : `${path}.${key}`;
    refuse(place, 'is not known', `remove it; known are ${known.join(', ')}`);
  }
  return value as Mapping;
}

function number(
  refuse: Refuse,
  value: unknown,
  path: string,
  {
    min,
    max,
    fallback,
  }: { readonly min: number; readonly max: number; readonly fallback?: number },
): number {
  if (value === undefined && fallback !== undefined) return fallback;
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) {
    return value;
  }
  refuse(path, shown(value), `write a whole number from ${min} to ${max}`);
  return min;
}

function shown(value: unknown): string {
  if (value === undefined) return 'is missing';
  if (value === null) return 'is empty';
  if (typeof value === 'number') return `is ${value}`;
  if (typeof value === 'string') return `is "${value.slice(0, 80)}"`;
  return Array.isArray(value) ? 'is a list' : `is a ${typeof value}`;
}
