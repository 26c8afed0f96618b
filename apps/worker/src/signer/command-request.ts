import { COMMAND_KINDS, isDigest, isName } from '@sluice/domain';
import {
  hasExactlyKeys,
  isJsonObject,
  parseInstant,
  type SignCommandRequest,
} from '@sluice/signing';

const FIELDS = [
  'tenantId',
  'promotionId',
  'target',
  'kind',
  'planDigest',
  'payloadDigest',
  'idempotencyKey',
  'sequence',
  'notBefore',
  'expiresAt',
] as const;

/** Longest time that a command may be valid. Milliseconds. */
export const MAX_VALIDITY_MS = 24 * 60 * 60 * 1000;

/**
 * What is wrong with the form of a request, or undefined. The records are not asked here.
 * @param now milliseconds since the epoch
 */
export function findRequestProblem(value: unknown, now: number): string | undefined {
  if (!isJsonObject(value) || !hasExactlyKeys(value, [...FIELDS])) {
    return `The request must have ${FIELDS.join(', ')}, and nothing else.`;
  }
  const request = value as unknown as SignCommandRequest;
  const { tenantId, promotionId, target, kind, sequence } = request;
  if (!isText(tenantId) || !isName(tenantId)) return 'tenantId is no name.';
  if (!isText(promotionId) || !/^[a-z0-9-]{1,63}\/[1-9][0-9]{0,9}$/.test(promotionId)) {
    return 'promotionId is no promotion.';
  }
  if (!isText(target) || !isName(target)) return 'target is no name.';
  if (!COMMAND_KINDS.includes(kind)) return `kind is none of ${COMMAND_KINDS.join(', ')}.`;
  if (!isText(request.planDigest) || !isDigest(request.planDigest)) return 'planDigest is none.';
  if (!isText(request.payloadDigest) || !isDigest(request.payloadDigest)) {
    return 'payloadDigest is no digest.';
  }
  if (!Number.isSafeInteger(sequence) || sequence < 1) return 'sequence is no number from 1 on.';
  return findKeyProblem(request) ?? findTimeProblem(request, now);
}

/** The key says which effect it is for: it must name this promotion, target and kind. */
function findKeyProblem(request: SignCommandRequest): string | undefined {
  const { idempotencyKey, promotionId, target, kind } = request;
  if (!isText(idempotencyKey) || idempotencyKey.length > 256) return 'idempotencyKey is too long.';
  const isOwn =
    idempotencyKey.startsWith(`${promotionId}/`) && idempotencyKey.endsWith(`/${target}/${kind}`);
  return isOwn ? undefined : 'idempotencyKey names another promotion, target or kind.';
}

function findTimeProblem(
  { notBefore, expiresAt }: SignCommandRequest,
  now: number,
): string | undefined {
  const from = parseInstant(notBefore);
  const to = parseInstant(expiresAt);
  if (from === undefined || to === undefined) return 'notBefore or expiresAt is no instant.';
  if (to <= from || to <= now) return 'The command would never be valid.';
  return to - Math.max(from, now) > MAX_VALIDITY_MS
    ? `The command would be valid for more than ${MAX_VALIDITY_MS / 3_600_000} h.`
    : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
