/** Codes of {@link OutboundError}; stable. */
export type OutboundErrorCode =
  /** The request itself is wrong: no retry mends it. */
  | 'outbound-invalid'
  /** Host or address may not be asked from here. */
  | 'outbound-refused'
  /** No whole answer came: name unknown, connection refused or reset, TLS, too slow. */
  | 'outbound-unanswered'
  /** The answer is longer than the request allows. */
  | 'outbound-too-large';

/** Why a request was not made, or has no answer. Its message holds neither URL nor headers: either may be a secret. */
export class OutboundError extends Error {
  readonly code: OutboundErrorCode;

  constructor(code: OutboundErrorCode, message: string) {
    super(message);
    this.name = 'OutboundError';
    this.code = code;
  }
}

/** True for an {@link OutboundError}, recognised by its name. */
export function isOutboundError(error: unknown): error is OutboundError {
  return (error as { name?: unknown } | null)?.name === 'OutboundError';
}

/** What a connection's error means, in a few words without its address. */
export function unansweredBy(error: unknown): OutboundError {
  if (isOutboundError(error)) return error;
  const { code } = error as { readonly code?: unknown };
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new OutboundError('outbound-too-large', 'its headers are too long');
  }
  const known = typeof code === 'string' && /^[A-Z0-9_]{1,60}$/.test(code) ? code : 'no connection';
  return new OutboundError('outbound-unanswered', WORDS[known] ?? known);
}

const WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its host name is not known (ENOTFOUND)',
  EAI_AGAIN: 'its host name could not be looked up (EAI_AGAIN)',
  ECONNREFUSED: 'the connection was refused (ECONNREFUSED)',
  ECONNRESET: 'the connection was closed in the middle (ECONNRESET)',
  ETIMEDOUT: 'the connection was not made in time (ETIMEDOUT)',
  EHOSTUNREACH: 'there is no way to its host (EHOSTUNREACH)',
  ENETUNREACH: 'there is no way to its network (ENETUNREACH)',
  CERT_HAS_EXPIRED: 'its certificate has expired (CERT_HAS_EXPIRED)',
  DEPTH_ZERO_SELF_SIGNED_CERT:
    'its certificate is signed by nobody that is known here (DEPTH_ZERO_SELF_SIGNED_CERT)',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is of another host (ERR_TLS_CERT_ALTNAME_INVALID)',
};
