import { isDigest, isName, isVersion } from '@sluice/domain';
import { ValidateBy, type ValidationOptions } from 'class-validator';

/** A DNS label of at most 63 characters. */
export function IsDnsLabel(options?: ValidationOptions): PropertyDecorator {
  return rule('isDnsLabel', isName, 'write a DNS label: a-z, 0-9 and -, at most 63', options);
}

/** A version of at most 128 characters. */
export function IsVersionText(options?: ValidationOptions): PropertyDecorator {
  return rule(
    'isVersionText',
    isVersion,
    'write a version of at most 128 characters, such as 1.2.0',
    options,
  );
}

/** `sha256:<hex>`. */
export function IsSha256Digest(options?: ValidationOptions): PropertyDecorator {
  return rule('isSha256Digest', isDigest, 'write sha256: and 64 lower-case hex digits', options);
}

/** 1 to 200 characters of plain text: what an idempotency key may be. */
export function IsIdempotencyKey(options?: ValidationOptions): PropertyDecorator {
  return IsPlainText(200, options);
}

const PROMOTION_ID = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\/[1-9][0-9]{0,8}$/;

/** `<environment>/<number>`. */
export function IsPromotionId(options?: ValidationOptions): PropertyDecorator {
  return rule(
    'isPromotionId',
    (value) => PROMOTION_ID.test(value),
    'write <environment>/<number>, such as dev/1',
    options,
  );
}

/** `<code>:<subject>`, at most 1,000 characters. */
export function IsDiscrepancyId(options?: ValidationOptions): PropertyDecorator {
  return rule(
    'isDiscrepancyId',
    (value) => /^[a-z][a-z-]*:./.test(value) && value.length <= 1000 && !UNREADABLE.test(value),
    'write <code>:<subject>, as the reconciliation shows it',
    options,
  );
}

/** Larger than any history's. */
const MAX_EVENT_NUMBER = 1_000_000;

/** Number of an event of a history. */
export function IsEventNumber(options?: ValidationOptions): PropertyDecorator {
  return ValidateBy(
    {
      name: 'isEventNumber',
      validator: {
        validate: (value: unknown) =>
          Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= MAX_EVENT_NUMBER,
        defaultMessage: () => `write a whole number from 1 to ${MAX_EVENT_NUMBER}`,
      },
    },
    options,
  );
}

/**
 * Text that people read: no control characters but line ends and tabs, no half characters, nothing that turns the
 * direction of what follows it, not blank.
 */
export function IsPlainText(max: number, options?: ValidationOptions): PropertyDecorator {
  return rule(
    'isPlainText',
    (value) => value.trim() !== '' && value.length <= max && !UNREADABLE.test(value),
    `write 1 to ${max} characters of plain text`,
    options,
  );
}

const UNREADABLE = /[^\P{Cc}\n\t]|\p{Surrogate}|[\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]/u;

function rule(
  name: string,
  accepts: (value: string) => boolean,
  message: string,
  options?: ValidationOptions,
): PropertyDecorator {
  return ValidateBy(
    {
      name,
      validator: {
        validate: (value: unknown) => typeof value === 'string' && accepts(value),
        defaultMessage: () => message,
      },
    },
    options,
  );
}
