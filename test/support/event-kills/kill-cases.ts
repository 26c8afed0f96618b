import { readFile } from 'node:fs/promises';

/** Stories that can be told on a real stack, each with the recorded history whose events number its positions. */
export const STORIES = {
  approved: 'promotion-succeeded-approved',
  rejected: 'promotion-denied-rejected',
  denied: 'promotion-denied',
  reverted: 'promotion-reverted-planned',
  cancelled: 'promotion-cancelled',
  'rolled-back': 'promotion-succeeded-rollback',
} as const;

/** One of {@link STORIES}. */
export type StoryName = keyof typeof STORIES;

/** What is killed. */
export const VICTIMS = ['worker', 'api', 'agent'] as const;

/** One of {@link VICTIMS}. */
export type Victim = (typeof VICTIMS)[number];

/** Kill this process with -9 when the story's history has reached so many events. */
export interface KillCase {
  readonly story: StoryName;
  readonly victim: Victim;
  /** From 1. */
  readonly event: number;
}

/** Events with which a new transaction of the engine begins: what comes before one of them can be observed. */
const BEGINNINGS: ReadonlySet<string> = new Set(
  [
    'WORKFLOW_TASK_STARTED',
    'WORKFLOW_TASK_COMPLETED',
    'ACTIVITY_TASK_STARTED',
    'TIMER_FIRED',
    'WORKFLOW_EXECUTION_SIGNALED',
    'WORKFLOW_EXECUTION_CANCEL_REQUESTED',
  ].map((name) => `EVENT_TYPE_${name}`),
);

/**
 * Every case there is: each process at each event position of each story's recorded history. The engine writes several
 * events in one transaction (a task's completion with the activities that it schedules, a result with the task that it
 * wakes); between those nobody can be killed, so a position is the last event of a transaction.
 */
export async function listKillCases(): Promise<readonly KillCase[]> {
  const cases: KillCase[] = [];
  for (const [story, file] of Object.entries(STORIES)) {
    const url = new URL(`../../replay/histories/${file}.json`, import.meta.url);
    const { history } = JSON.parse(await readFile(url, 'utf8')) as {
      history: { events: { eventType: string }[] };
    };
    const { events } = history;
    const positions = events.flatMap((_, index) => {
      const next = events[index + 1];
      return next === undefined || BEGINNINGS.has(next.eventType) ? [index + 1] : [];
    });
    for (const victim of VICTIMS) {
      for (const event of positions) cases.push({ story: story as StoryName, victim, event });
    }
  }
  return cases;
}

/**
 * Some of the cases, the same for the same seed: each story with one victim, so that few promotions are needed, and the victims
 * in turn, so that each has as many stories as any other. Every story has its share.
 */
export function sampleCases(
  cases: readonly KillCase[],
  count: number,
  seed: number,
): readonly KillCase[] {
  const random = mulberry32(seed);
  const shuffle = <Value>(values: readonly Value[]): Value[] =>
    values
      .map((value) => ({ value, at: random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ value }) => value);
  const victims = shuffle(VICTIMS);
  const groups = shuffle([...new Set(cases.map(({ story }) => story))]).map((story, turn) => {
    const victim = victims[turn % victims.length];
    return shuffle(cases.filter((one) => one.story === story && one.victim === victim));
  });
  const chosen: KillCase[] = [];
  const most = groups.reduce((sum, { length }) => sum + length, 0);
  for (let turn = 0; chosen.length < Math.min(count, most); turn += 1) {
    const one = groups[turn % groups.length]?.pop();
    if (one !== undefined) chosen.push(one);
  }
  return chosen;
}

/** One promotion in whose course one process is killed at several positions. */
export interface KillRun extends Omit<KillCase, 'event'> {
  /** Rising. */
  readonly events: readonly number[];
}

/** Puts the cases of one story and victim into runs of at most so many kills, each spread over the whole history. */
export function groupIntoRuns(cases: readonly KillCase[], most: number): readonly KillRun[] {
  const groups = new Map<string, KillCase[]>();
  for (const one of cases) {
    const key = `${one.story}/${one.victim}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()].flatMap((group) => {
    const sorted = group.sort((a, b) => a.event - b.event);
    const count = Math.ceil(sorted.length / most);
    return Array.from({ length: count }, (_, turn) => ({
      story: sorted[0]?.story as StoryName,
      victim: sorted[0]?.victim as Victim,
      events: sorted.filter((__, index) => index % count === turn).map(({ event }) => event),
    }));
  });
}

/** A small seeded generator (Mulberry32, public domain, by Tommy Ettinger); numbers from 0 to below 1. */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
