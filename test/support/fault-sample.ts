import { mulberry32 } from './event-kills/kill-cases.ts';

/** Every place of a fault is taken, not a sample: `npm run test:faults -- --places`. */
export const ALL_PLACES = process.env['SLUICE_FAULT_PLACES'] === 'all';

/** What is drawn from it is the same for the same seed. */
export const FAULT_SEED = Number(process.env['SLUICE_FAULT_SEED'] ?? 20261122);

/**
 * So many of the places where a suite brings its fault, in their order; all of them with {@link ALL_PLACES}.
 */
export function samplePlaces<Place>(
  places: readonly Place[],
  count: number,
  { all = ALL_PLACES, seed = FAULT_SEED }: { readonly all?: boolean; readonly seed?: number } = {},
): readonly Place[] {
  if (all) return places;
  const random = mulberry32(seed);
  const drawn = places
    .map((_, index) => ({ index, at: random() }))
    .sort((a, b) => a.at - b.at)
    .slice(0, count)
    .map(({ index }) => index);
  return places.filter((_, index) => drawn.includes(index));
}
