import type { JsonValue } from '@sluice/domain';

/** A text, or the name of the secret that is one. */
export type TextOrSecret = string | { readonly secret: string };

/** Inputs of `http@1`, checked against its schema. */
export interface HttpInputs {
  readonly method?: string;
  readonly url: TextOrSecret;
  readonly headers?: Readonly<Record<string, string>>;
  /** Name → name of the secret. */
  readonly secretHeaders?: Readonly<Record<string, string>>;
  readonly body?: TextOrSecret;
  readonly json?: JsonValue;
  readonly status?: readonly number[];
  readonly retryStatus?: readonly number[];
  readonly maxResponseBytes?: number;
}

const RETRY_STATUS: readonly number[] = [408, 425, 429, 500, 502, 503, 504];

/** What a status means to the step. */
export function judgeStatus(
  { status: wanted, retryStatus = RETRY_STATUS }: HttpInputs,
  status: number,
): 'good' | 'temporary' | 'unexpected' {
  const good = wanted === undefined ? status >= 200 && status < 300 : wanted.includes(status);
  if (good) return 'good';
  return retryStatus.includes(status) ? 'temporary' : 'unexpected';
}
