import { mulberry32 } from '../event-kills/kill-cases.ts';

/** What is done to a process: kill -9, SIGSTOP for a while, or an orderly end and a new start. */
export type FaultHow = 'killed' | 'paused' | 'restarted';

/** One disturbance of one part of a stack. */
export interface PlannedFault {
  /** Name of the part: `worker`, `postgres`, `agent-<target>`. */
  readonly part: string;
  readonly how: FaultHow;
  /** How long it is away, or stands still. */
  readonly ms: number;
}

/** A fault as the report counts it: `agent-killed`. */
export function kindOf({ part, how }: PlannedFault): string {
  return `${part.replace(/^agent-.*/, 'agent').replace(/^api-.*/, 'api')}-${how}`;
}

/** What the people of one promotion want of it. */
export const CHAOS_STORIES = [
  'succeeded',
  'denied',
  'rejected',
  'cancelled',
  'reverted',
  'rolled-back',
] as const;

/** One of {@link CHAOS_STORIES}. */
export type ChaosStory = (typeof CHAOS_STORIES)[number];

/** Whose end comes first; another is only on its way when its turn has come. */
const CLASSES = ['worker', 'api', 'agent', 'temporal', 'postgres', 'signer'] as const;

const LONGEST_AWAY_MS = 4000;
const LONGEST_PAUSE_MS = 10_000;

/**
 * The faults of a run, in order: so many kills, and a quarter as many pauses and restarts each, mixed. Every class of process
 * has its turn before one has a second one. The same seed gives the same faults.
 * @param parts names of the stack's parts
 */
export function planFaults(
  seed: number,
  kills: number,
  parts: readonly string[],
): readonly PlannedFault[] {
  const random = mulberry32(seed);
  const some = Math.ceil(kills / 4);
  const hows = (['killed', 'paused', 'restarted'] as const).map((how) =>
    drawParts(random, parts, how === 'killed' ? kills : some).map((part) => ({
      part,
      how,
      ms: Math.round(random() * (how === 'paused' ? LONGEST_PAUSE_MS : LONGEST_AWAY_MS)),
    })),
  );
  return shuffle(random, hows.flat());
}

function drawParts(
  random: () => number,
  parts: readonly string[],
  count: number,
): readonly string[] {
  const drawn: string[] = [];
  while (drawn.length < count) {
    for (const kind of shuffle(random, CLASSES)) {
      const candidates = parts.filter((part) => part === kind || part.startsWith(`${kind}-`));
      const part = candidates[Math.floor(random() * candidates.length)];
      if (part !== undefined) drawn.push(part);
    }
    if (drawn.length === 0) throw new Error('none of the parts can be disturbed');
  }
  return drawn.slice(0, count);
}

/** How likely each story is, by the environment's place; only what was verified in the one before gets into the next one. */
const LIKELIHOODS: readonly Readonly<Partial<Record<ChaosStory, number>>>[] = [
  { succeeded: 60, denied: 12, reverted: 8, cancelled: 12, 'rolled-back': 8 },
  { succeeded: 70, cancelled: 18, 'rolled-back': 12 },
  { succeeded: 55, rejected: 20, cancelled: 15, 'rolled-back': 10 },
];

/** Draws a story for a promotion to the environment at this place. */
export function drawStory(random: () => number, place: number): ChaosStory {
  const likelihoods = Object.entries(LIKELIHOODS[place] ?? { succeeded: 1 });
  let rest = random() * likelihoods.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [story, weight] of likelihoods) {
    rest -= weight;
    if (rest < 0) return story as ChaosStory;
  }
  return 'succeeded';
}

function shuffle<T>(random: () => number, values: readonly T[]): readonly T[] {
  return values
    .map((value) => ({ value, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
}
