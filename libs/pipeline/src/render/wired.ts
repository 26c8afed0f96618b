import type { InputValue, JsonValue, WiredInput } from '@sluice/domain';

/** True for `{ref}`, `{cel}`, `{secret}` and `{literal}`: one of these members and no other. */
export function isWired(value: InputValue): value is WiredInput {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const names = Object.keys(value);
  return names.length === 1 && WIRED.has(names[0] as string);
}

const WIRED: ReadonlySet<string> = new Set(['ref', 'cel', 'secret', 'literal']);

/** The JSON value of an input that needs nothing to be known; undefined for one that is found when the step begins. */
export function constantOf(value: InputValue): JsonValue | undefined {
  if (!isWired(value)) return value;
  return 'literal' in value ? value.literal : undefined;
}

/** The shortest form: `{literal: 5}` is `5`; only what would be taken for a wired input keeps it. Members are sorted. */
export function shortestInput(value: InputValue): InputValue {
  const constant = constantOf(value);
  if (constant === undefined) return value;
  const sorted = sortedMembers(constant);
  return isWired(sorted) ? { literal: sorted } : sorted;
}

/** A JSON value with the members of every object in the order of their names; undefined members are left out. */
export function sortedMembers<T>(value: T): T {
  return sorted(value) as T;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, member]) => [name, sorted(member)]));
}
