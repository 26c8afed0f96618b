import { createNearestName } from '../parse/nearest.ts';

/** One thing that is wrong with a rollout's `analysis`. */
export interface AnalysisProblem {
  /** Where, below `analysis`: `metrics[0].direction`; empty for the whole. */
  readonly at: string;
  readonly message: string;
}

const MAX_PROBLEMS = 50;

/** An object as it was read. */
export type Members = Readonly<Record<string, unknown>>;

/** Reads what a pipeline says of an analysis, and gathers every problem that there is. */
export class Reading {
  readonly problems: AnalysisProblem[] = [];
  readonly #nearest = createNearestName();

  tell(at: string, message: string): void {
    if (this.problems.length < MAX_PROBLEMS) this.problems.push({ at, message });
  }

  /** An object without members that nobody knows. */
  members(value: unknown, at: string, known: readonly string[]): Members | undefined {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.tell(at, `It is no object: it may have ${known.join(', ')}.`);
      return undefined;
    }
    for (const name of Object.keys(value).filter((one) => !known.includes(one))) {
      this.tell(below(at, name.slice(0, 60)), `Nothing is called so.${this.#hint(name, known)}`);
    }
    return value as Members;
  }

  word<Word extends string>(
    members: Members,
    name: string,
    at: string,
    words: readonly Word[],
    fallback?: Word,
  ): Word | undefined {
    const value = members[name];
    if (value === undefined && fallback !== undefined) return fallback;
    const found = words.find((word) => word === value);
    if (found !== undefined) return found;
    const hint = typeof value === 'string' ? this.#hint(value, words) : '';
    this.tell(below(at, name), `Write ${words.join(', ')}.${hint}`);
    return undefined;
  }

  number(
    members: Members,
    name: string,
    at: string,
    { least, most, whole = false }: { least: number; most: number; whole?: boolean },
  ): number | undefined {
    const value = members[name];
    if (value === undefined) return undefined;
    if (
      typeof value === 'number' &&
      value >= least &&
      value <= most &&
      (!whole || Number.isInteger(value))
    )
      return value;
    this.tell(below(at, name), `Write a ${whole ? 'whole ' : ''}number from ${least} to ${most}.`);
    return undefined;
  }

  flag(members: Members, name: string, at: string, fallback: boolean): boolean {
    const value = members[name];
    if (value === undefined) return fallback;
    if (typeof value === 'boolean') return value;
    this.tell(below(at, name), 'Write true or false.');
    return fallback;
  }

  text(members: Members, name: string, at: string, maxLength: number): string | undefined {
    const value = members[name];
    if (typeof value === 'string' && value.trim() !== '' && value.length <= maxLength) return value;
    this.tell(below(at, name), `Write a text of 1 to ${maxLength} characters.`);
    return undefined;
  }

  #hint(name: string, known: readonly string[]): string {
    const best = this.#nearest(name, known);
    return best === undefined ? '' : ` Did you mean ${best}?`;
  }
}

/** Where a member stands. */
export function below(at: string, name: string): string {
  return at === '' ? name : `${at}.${name}`;
}
