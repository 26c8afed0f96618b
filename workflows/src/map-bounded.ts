/** How many activities of one fan-out may be in flight at once. */
export const MAX_IN_FLIGHT = 100;

/**
 * Maps items in parallel, at most `limit` at a time, and keeps their order. No new item is begun once one was
 * rejected or `isEnough` says so; the results of items that were not begun are absent.
 */
export async function mapBounded<T, R>(
  items: readonly T[],
  limit: number,
  map: (item: T) => Promise<R>,
  isEnough: (result: R) => boolean = () => false,
): Promise<readonly R[]> {
  const results: (R | undefined)[] = items.map(() => undefined);
  let next = 0;
  let enough = false;
  const lane = async (): Promise<void> => {
    while (!enough && next < items.length) {
      const index = next;
      next += 1;
      try {
        const result = await map(items[index] as T);
        results[index] = result;
        enough ||= isEnough(result);
      } catch (error) {
        enough = true;
        throw error;
      }
    }
  };
  const lanes = Array.from({ length: Math.min(limit, items.length) }, lane);
  await Promise.all(lanes);
  return results.filter((result): result is R => result !== undefined);
}
