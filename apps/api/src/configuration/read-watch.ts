import { readWatchRules, type WatchRules } from '@sluice/domain';
import { join, type ValueReader } from './value-reader.ts';

/** Reads how an environment's releases are watched once they are out; null where it says nothing. */
export function readWatch(reader: ValueReader, value: unknown, path: string): WatchRules | null {
  if (value === undefined) return null;
  const read = readWatchRules(value);
  if (read.ok) return read.value;
  for (const { path: place, what, how } of read.problems) {
    const problem = { path: place === '' ? path : join(path, place), what, how };
    // Of a key that is not known it is the name that is wrong.
    reader.problems.push(what === 'is not known' ? { ...problem, isUnknown: true } : problem);
  }
  return null;
}
