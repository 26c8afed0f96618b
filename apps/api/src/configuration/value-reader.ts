import type { ConfigurationProblem } from './configuration.ts';

/** A mapping whose values are not yet known. */
export type Mapping = Readonly<Record<string, unknown>>;

/**
 * Reads values of unknown form and collects what is wrong instead of stopping at the first problem.
 * Each method returns a value of its type in any case, so that reading goes on; whoever reads must look
 * at {@link problems} before using anything.
 */
export class ValueReader {
  readonly problems: ConfigurationProblem[] = [];

  /** Notes a problem. */
  refuse(path: string, what: string, how: string): void {
    this.problems.push({ path, what, how });
  }

  /** A mapping with none but the known keys. */
  mapping(value: unknown, path: string, known: readonly string[]): Mapping {
    const read = this.anyMapping(value, path);
    for (const key of Object.keys(read)) {
      if (!known.includes(key)) {
        const how = `remove it; known are ${known.join(', ')}`;
        this.problems.push({ path: join(path, key), what: 'unknown key', how, isUnknown: true });
      }
    }
    return read;
  }

  /** A mapping with any keys. */
  anyMapping(value: unknown, path: string): Mapping {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Mapping;
    }
    this.refuse(path, `is ${nameOf(value)}`, 'write a mapping of key: value');
    return {};
  }

  /** A list; absent counts as empty. */
  list(value: unknown, path: string, max: number): readonly unknown[] {
    if (value === undefined) return [];
    if (!Array.isArray(value)) {
      this.refuse(path, `is ${nameOf(value)}`, 'write a list');
      return [];
    }
    if (value.length > max) {
      this.refuse(path, `has ${value.length} entries`, `write at most ${max}`);
      return [];
    }
    return value;
  }

  /** A text that fulfils a rule; `how` says what it must look like. */
  text(value: unknown, path: string, accepts: (text: string) => boolean, how: string): string {
    if (typeof value === 'string' && accepts(value)) return value;
    const what = typeof value === 'string' ? `is ${quote(value)}` : `is ${nameOf(value)}`;
    this.refuse(path, what, how);
    return '';
  }

  /** One of a few words. */
  word<T extends string>(value: unknown, path: string, words: readonly T[]): T {
    const found = words.find((word) => word === value);
    if (found !== undefined) return found;
    const what = typeof value === 'string' ? `is ${quote(value)}` : `is ${nameOf(value)}`;
    this.refuse(path, what, `write ${words.join(', ')}`);
    return words[0] as T;
  }

  /** A whole number within bounds; absent gives the default where there is one. */
  integer(value: unknown, path: string, min: number, max: number, fallback?: number): number {
    if (value === undefined && fallback !== undefined) return fallback;
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) {
      return value;
    }
    const what = typeof value === 'number' ? `is ${value}` : `is ${nameOf(value)}`;
    this.refuse(path, what, `write a whole number from ${min} to ${max}`);
    return min;
  }

  /** Notes every value that stands more than once. `path` gives the place of the n-th. */
  unique(values: readonly (string | number)[], path: (index: number) => string): void {
    const first = new Map<string | number, number>();
    for (const [index, value] of values.entries()) {
      const earlier = first.get(value);
      if (earlier === undefined) first.set(value, index);
      // An empty text was refused already.
      else if (value !== '') {
        this.refuse(
          path(index),
          `${quote(String(value))} stands at ${path(earlier)} too`,
          'write each once',
        );
      }
    }
  }
}

/** `a.b`, or `b` at the top. */
export function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

function nameOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'empty';
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
