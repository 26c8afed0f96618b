import { digestOf } from '@sluice/pure';
import type { StepRun } from '../step/step-type.ts';

const MAX_LENGTH = 200;
const MARK_LENGTH = 16;

/**
 * The key under which a service elsewhere knows an effect again: `<promotion>/<step>[/<member>].<16 hex digits>`, visible ASCII of at most 255
 * characters. Promotions are numbered for each tenant and each installation anew; the digits tell theirs apart, for the service may
 * remember keys of others.
 */
export function serviceKey({ input, promotion, idempotencyKey }: StepRun): string {
  const { requestedAt, traceparent } = promotion;
  const digest = digestOf({
    tenant: input.promotion.tenantId,
    key: idempotencyKey,
    requestedAt,
    traceparent,
  });
  const isPlain = idempotencyKey.length <= MAX_LENGTH && /^[\u0021-\u007e]+$/.test(idempotencyKey);
  if (!isPlain) return digest;
  return `${idempotencyKey}.${digest.slice('sha256:'.length).slice(0, MARK_LENGTH)}`;
}
