import { mulberry32 } from '../event-kills/kill-cases.ts';
import { faultsOf, STEP_FAULTS, type StepFault, type StepStory } from './step-story.ts';
import { STEP_STORIES } from './stories.generated.ts';

/** Stories that meet the same fault at the same time, each in its own promotion. */
export interface StepRound {
  readonly fault: StepFault;
  readonly stories: readonly StepStory[];
}

/** Every story with every fault that it meets. */
export function allRounds(): readonly StepRound[] {
  return STEP_FAULTS.map((fault) => ({
    fault,
    stories: STEP_STORIES.filter((story) => faultsOf(story).includes(fault)),
  }));
}

/**
 * Of all rounds those that are named: by fault, by story, or by type without its version. Where no fault is named every one is meant, and so
 * with stories.
 * @throws Error for a name of neither
 */
export function namedRounds(names: readonly string[]): readonly StepRound[] {
  const faults = STEP_FAULTS.filter((fault) => names.includes(fault));
  const stories = STEP_STORIES.filter(({ name, type }) =>
    names.some((one) => one === name || `${one}@1` === type),
  );
  const known = new Set<string>([
    ...faults,
    ...stories.flatMap(({ name, type }) => [name, type.split('@')[0] ?? '']),
  ]);
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length > 0) {
    const all = [...STEP_FAULTS, ...STEP_STORIES.map(({ name }) => name)].join(', ');
    throw new Error(`There is no ${unknown.join(', ')}. Name some of: ${all}.`);
  }
  return allRounds()
    .filter(({ fault }) => faults.length === 0 || faults.includes(fault))
    .map(({ fault, stories: met }) => ({
      fault,
      stories: met.filter((story) => stories.length === 0 || stories.includes(story)),
    }))
    .filter(({ stories: left }) => left.length > 0);
}

const KILLED = 3;
const CANCELLED = 3;

/** A few kills of the worker and a few cancellations, each of another type; the same for the same seed. People who are asked twice are always among them. */
export function sampleRounds(seed: number): readonly StepRound[] {
  const random = mulberry32(seed);
  const shuffled = STEP_STORIES.filter(({ name }) => name !== 'approvals')
    .map((story) => ({ story, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ story }) => story);
  const drawn = shuffled.filter(
    ({ type }, index) => shuffled.findIndex((other) => other.type === type) === index,
  );
  const always = STEP_STORIES.filter(({ name }) => name === 'approvals');
  return [
    { fault: 'worker', stories: [...always, ...drawn.slice(0, KILLED)] },
    { fault: 'cancel', stories: drawn.slice(KILLED, KILLED + CANCELLED) },
  ];
}
