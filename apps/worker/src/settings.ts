/** What a process finds wrong with its environment variables: one line per problem. */
export class SettingsError extends Error {
  readonly code = 'settings-invalid';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'SettingsError';
    this.problems = problems;
  }
}

/** Environment variables as a process gets them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads environment variables and gathers every problem before it throws, so that one start shows them all. */
export class SettingsReader {
  readonly #environment: Environment;
  readonly #problems: string[] = [];

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** A variable that must be there; an empty one counts as absent. */
  required(name: string, meaning: string): string {
    const value = this.#environment[name];
    if (value !== undefined && value !== '') return value;
    this.#problems.push(`${name} is not set: it names ${meaning}.`);
    return '';
  }

  /** A variable that may be absent or empty. */
  optional<T>(name: string, fallback: T): string | T {
    const value = this.#environment[name];
    return value === undefined || value === '' ? fallback : value;
  }

  /** A whole number in bounds, or the fallback where the variable is absent. */
  integer(name: string, fallback: number, minimum: number, maximum: number): number {
    const text = this.optional(name, undefined);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (Number.isInteger(value) && value >= minimum && value <= maximum) return value;
    this.#problems.push(
      `${name} is "${text}": write a whole number from ${minimum} to ${maximum}.`,
    );
    return fallback;
  }

  /** Adds a problem that the caller found. */
  refuse(problem: string): void {
    this.#problems.push(problem);
  }

  /** @throws SettingsError when there was any problem */
  assertValid(): void {
    if (this.#problems.length > 0) throw new SettingsError(this.#problems);
  }
}
