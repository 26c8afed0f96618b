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
  return check(
    'isEventNumber',
    (value) =>
      Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= MAX_EVENT_NUMBER,
    `write a whole number from 1 to ${MAX_EVENT_NUMBER}`,
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

/** A text of 1 to so many bytes of UTF-8, not blank; whoever reads it judges its characters. */
export function IsTextOfBytes(max: number, options?: ValidationOptions): PropertyDecorator {
  return rule(
    'isTextOfBytes',
    (value) => value.trim() !== '' && Buffer.byteLength(value) <= max,
    `write a text of at most ${max} bytes`,
    options,
  );
}

const PIPELINE_REF = /^([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:@([1-9][0-9]{0,8}))?$/;

/** A pipeline's name, or `<name>@<version>`. */
export function IsPipelineRef(options?: ValidationOptions): PropertyDecorator {
  return rule(
    'isPipelineRef',
    (value) => PIPELINE_REF.test(value),
    'write the name of a pipeline, or <name>@<version>',
    options,
  );
}

/** Key of a member: a target's name, or an index. */
export function IsMemberKey(options?: ValidationOptions): PropertyDecorator {
  return rule('isMemberKey', isName, "write a target's name, or the number of a member", options);
}

/** Largest number of a version, or of an attempt. */
const MAX_COUNT = 999_999_999;

/** A whole number from 1, or from 0 where nothing is a count too. */
export function IsCount(min: 0 | 1 = 1, options?: ValidationOptions): PropertyDecorator {
  return check(
    'isCount',
    (value) => Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= MAX_COUNT,
    `write a whole number from ${min} to ${MAX_COUNT}`,
    options,
  );
}

/** Values by name that one request gives at most, and bytes of their JSON. */
const MAX_VALUES = 1000;
const MAX_VALUES_BYTES = 64 * 1024;

/** An object of JSON values by name, at most 64 KiB of JSON; what they must be, the pipeline's parameters say. */
export function IsValues(options?: ValidationOptions): PropertyDecorator {
  return check(
    'isValues',
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      !Array.isArray(value) &&
      Object.keys(value).length <= MAX_VALUES &&
      Buffer.byteLength(JSON.stringify(value)) <= MAX_VALUES_BYTES,
    `write an object of at most ${MAX_VALUES} values and ${MAX_VALUES_BYTES} bytes`,
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
  return check(name, (value) => typeof value === 'string' && accepts(value), message, options);
}

function check(
  name: string,
  validate: (value: unknown) => boolean,
  message: string,
  options?: ValidationOptions,
): PropertyDecorator {
  return ValidateBy({ name, validator: { validate, defaultMessage: () => message } }, options);
}
