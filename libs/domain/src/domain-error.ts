/** A broken invariant: the caller handed over something that no earlier check should have let through. */
export class DomainError extends Error {
  /** Stable, machine-readable: `kebab-case`. Recognise the error by this, never by `instanceof`. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'DomainError';
    this.code = code;
  }
}

/**
 * An outcome that a caller must expect: something was refused, with a reason that can be shown.
 * @property code stable, kebab-case; part of the public API
 * @property message what happened, to what, and what to do now
 */
export interface Refusal {
  readonly code: string;
  readonly message: string;
}

/** A value, or the refusal that stands in its place. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refusal: Refusal };

/** Wraps a value as a successful {@link Outcome}. */
export function accepted<T>(value: T): Outcome<T> {
  return { ok: true, value };
}

/** Builds a refused {@link Outcome}. */
export function refused<T>(code: string, message: string): Outcome<T> {
  return { ok: false, refusal: { code, message } };
}
