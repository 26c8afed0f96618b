import { isDigest } from '@sluice/domain';
import { hasExactlyKeys, isJsonObject, parseInstant } from '@sluice/signing';

/** The checks of fields that may be absent. */
const OPTIONAL = new WeakSet<Check>();

/** Says whether a field's value is what it must be. */
export type Check = (value: unknown) => boolean;

/** A text of `min` to `max` characters. */
export function text(max: number, min = 1): Check {
  return (value) => typeof value === 'string' && value.length >= min && value.length <= max;
}

/** A whole number of at least `min` that JavaScript holds exactly. */
export function integer(min: number): Check {
  return (value) => Number.isSafeInteger(value) && (value as number) >= min;
}

/** Exactly one of these values. */
export function oneOf(...values: readonly unknown[]): Check {
  return (value) => values.includes(value);
}

/** `null`, or what the check takes. */
export function nullable(check: Check): Check {
  return (value) => value === null || check(value);
}

/** A field that may be absent; where it is there the check holds. */
export function optional(check: Check): Check {
  const mark: Check = (value) => check(value);
  OPTIONAL.add(mark);
  return mark;
}

/** A list of at most `max` items that all pass. */
export function listOf(check: Check, max: number): Check {
  return (value) => Array.isArray(value) && value.length <= max && value.every(check);
}

/** An object with exactly these fields; those marked by {@link optional} may be absent. */
export function object(shape: Readonly<Record<string, Check>>): Check {
  return (value) => isJsonObject(value) && firstWrongField(value, shape) === undefined;
}

/** An object of at most `max` members with free names that all pass. */
export function mapOf(check: Check, max: number): Check {
  return (value) => {
    if (!isJsonObject(value)) return false;
    const entries = Object.entries(value);
    return (
      entries.length <= max && entries.every(([name, item]) => name.length <= 256 && check(item))
    );
  };
}

/** `sha256:…`. */
export const digest: Check = (value) => typeof value === 'string' && isDigest(value);

/** RFC 3339. */
export const instant: Check = (value) => parseInstant(value) !== undefined;

/** Any JSON object; for what another parser reads. */
export const anyObject: Check = isJsonObject;

/**
 * The name of the first field that is missing, wrong or not known; undefined when the value is an object of
 * exactly this shape.
 */
export function firstWrongField(
  value: unknown,
  shape: Readonly<Record<string, Check>>,
): string | undefined {
  if (!isJsonObject(value)) return '(the whole)';
  const checks = Object.entries(shape);
  const names = checks.map(([name]) => name);
  const required = checks.filter(([, check]) => !OPTIONAL.has(check)).map(([name]) => name);
  if (!hasExactlyKeys(value, required, names)) {
    const missing = required.find((name) => !Object.hasOwn(value, name));
    return missing ?? Object.keys(value).find((name) => !names.includes(name));
  }
  const wrong = checks.find(([name, check]) => Object.hasOwn(value, name) && !check(value[name]));
  return wrong?.[0];
}
