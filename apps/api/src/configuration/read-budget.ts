import {
  type DisruptionBudget,
  findBudgetProblem,
  isName,
  MAX_BUDGETS,
  MAX_UNAVAILABLE,
} from '@sluice/domain';
import { readLabels } from './read-target.ts';
import { join, type ValueReader } from './value-reader.ts';

/** Reads the disruption budgets of a configuration. */
export function readBudgets(reader: ValueReader, value: unknown): readonly DisruptionBudget[] {
  const budgets = reader
    .list(value, 'budgets', MAX_BUDGETS)
    .map((entry, index) => readBudget(reader, entry, `budgets[${index}]`));
  reader.unique(
    budgets.map(({ name }) => name),
    (index) => `budgets[${index}].name`,
  );
  return budgets;
}

function readBudget(reader: ValueReader, value: unknown, path: string): DisruptionBudget {
  const entry = reader.mapping(value, path, ['name', 'labels', 'maxUnavailable']);
  const how = 'write a DNS label: a-z, 0-9 and -, at most 63';
  const before = reader.problems.length;
  const budget = {
    name: reader.text(entry.name, join(path, 'name'), isName, how),
    selector: readLabels(reader, entry.labels, join(path, 'labels')),
    ...readLimit(reader, entry.maxUnavailable, join(path, 'maxUnavailable')),
  };
  const problem = reader.problems.length > before ? undefined : findBudgetProblem(budget);
  if (problem !== undefined) {
    const key = problem.path === 'selector' ? 'labels' : problem.path;
    reader.refuse(join(path, key), problem.what, problem.how);
  }
  return budget;
}

type Limit = Pick<DisruptionBudget, 'maxUnavailable' | 'maxUnavailablePercent'>;

/** `2`, or `"25%"`. */
function readLimit(reader: ValueReader, value: unknown, path: string): Limit {
  if (typeof value !== 'string') {
    return {
      maxUnavailable: reader.integer(value, path, 0, MAX_UNAVAILABLE),
      maxUnavailablePercent: null,
    };
  }
  const isPercent = (text: string): boolean => /^(?:100|[1-9]?\d)%$/.test(text);
  const text = reader.text(value, path, isPercent, 'write a whole number, or "0%" to "100%"');
  return { maxUnavailable: null, maxUnavailablePercent: Number.parseInt(text, 10) || 0 };
}
