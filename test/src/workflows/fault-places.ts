import { mulberry32 } from '../../support/event-kills/kill-cases.ts';
import type { CallName } from './fault-injection.ts';

/** One call of one scenario, where a fault may meet it. */
export interface FaultPlace<Scenario> {
  readonly scenario: Scenario;
  readonly call: CallName;
}

/** Which places a run of the harness takes of all that there are. */
export interface PlaceChoice {
  /** Every place; otherwise a sample. */
  readonly all: boolean;
  readonly seed: number;
  /** So many at least are in the sample, when there are so many. */
  readonly least: number;
}

/** The activity that a call is one of. */
export function activityOf(call: CallName): string {
  return call.slice(0, call.lastIndexOf(' '));
}

/**
 * Chooses places. A sample has each activity and each scenario at least once, however small it is; the same seed gives the same
 * sample of the same places.
 */
export function choosePlaces<Scenario>(
  places: readonly FaultPlace<Scenario>[],
  { all, seed, least }: PlaceChoice,
): readonly FaultPlace<Scenario>[] {
  if (all) return places;
  const random = mulberry32(seed);
  const shuffled = places
    .map((place) => ({ place, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ place }) => place);
  const met = new Set<unknown>();
  const chosen = new Set<FaultPlace<Scenario>>();
  for (const place of shuffled) {
    const activity = activityOf(place.call);
    if (met.has(activity) && met.has(place.scenario)) continue;
    met.add(activity).add(place.scenario);
    chosen.add(place);
  }
  for (const place of shuffled) {
    if (chosen.size >= least) break;
    chosen.add(place);
  }
  return [...chosen];
}
