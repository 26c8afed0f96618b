import type { Refusal } from '@sluice/domain';

/** The signer's no. */
export interface Refused {
  readonly ok: false;
  readonly refusal: Refusal;
}

/** Builds a refusal; the message says what keeps the signer from it. */
export function refusal(code: string, message: string): Refused {
  return { ok: false, refusal: { code, message: `The signer refused: ${message}` } };
}

/** True for what {@link refusal} built. */
export function isRefusal(value: object): value is Refused {
  return 'refusal' in value && 'ok' in value && value.ok === false;
}
