import { type HistoryRule, isName, PROMOTION_END_STATES } from '@sluice/domain';
import { join, type ValueReader } from './value-reader.ts';

const MAX_RULES = 100;
const MAX_ENTRIES = 1000;
/** A hundred years: longer is for ever, and that is what no rule says. */
const MAX_DAYS = 36_500;
const DNS_LABEL = 'write a DNS label: a-z, 0-9 and -, at most 63';

/**
 * Reads how long histories are kept. A rule may name an environment that is not (any more) in the file: its histories are
 * still there.
 */
export function readHistoryRules(reader: ValueReader, value: unknown): readonly HistoryRule[] {
  return reader.list(value, 'histories', MAX_RULES).map((entry, index) => {
    const path = `histories[${index}]`;
    const rule = reader.mapping(entry, path, ['environments', 'states', 'days']);
    const environments = readSome(
      reader,
      rule.environments,
      join(path, 'environments'),
      (name, at) => reader.text(name, at, isName, DNS_LABEL),
    );
    const states = readSome(reader, rule.states, join(path, 'states'), (state, at) =>
      reader.word(state, at, PROMOTION_END_STATES),
    );
    return {
      ...(environments === undefined ? {} : { environments }),
      ...(states === undefined ? {} : { states }),
      days: reader.integer(rule.days, join(path, 'days'), 1, MAX_DAYS),
    };
  });
}

/** One at least where the list is there: an empty one would fit nothing. */
function readSome<T extends string>(
  reader: ValueReader,
  value: unknown,
  path: string,
  read: (entry: unknown, path: string) => T,
): readonly T[] | undefined {
  if (value === undefined) return undefined;
  const entries = reader.list(value, path, MAX_ENTRIES);
  if (Array.isArray(value) && value.length === 0) {
    reader.refuse(path, 'is an empty list', 'name one at least, or remove it for all');
  }
  const problems = reader.problems.length;
  const some = entries.map((entry, index) => read(entry, `${path}[${index}]`));
  // What was refused reads as some other value, and is no duplicate of it.
  if (reader.problems.length === problems) reader.unique(some, (index) => `${path}[${index}]`);
  return some;
}
