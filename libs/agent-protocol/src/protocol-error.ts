/** Codes of {@link AgentProtocolError}; stable. */
export type AgentProtocolErrorCode =
  | 'control-plane-unreachable'
  | 'control-plane-refused'
  | 'response-malformed'
  | 'blob-corrupt';

/** What an agent's client throws. Recognise it by `code`. */
export class AgentProtocolError extends Error {
  readonly code: AgentProtocolErrorCode;
  /** Set for `control-plane-refused`: the control plane's own code, such as `nonce-replayed`. */
  readonly refusalCode: string | null;
  /** HTTP status, or null when there was no answer. */
  readonly status: number | null;

  constructor(
    code: AgentProtocolErrorCode,
    message: string,
    more: { refusalCode?: string; status?: number; cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = 'AgentProtocolError';
    this.code = code;
    this.refusalCode = more.refusalCode ?? null;
    this.status = more.status ?? null;
  }
}
