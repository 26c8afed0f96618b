/** Stable codes of the ways in which a tool cannot be had. */
export type ToolErrorCode =
  | 'tool-unknown'
  | 'tool-lock-invalid'
  | 'tool-no-origin'
  | 'tool-needs-python'
  | 'tool-needs-go'
  | 'tool-needs-apt'
  | 'tool-download-failed'
  | 'tool-sum-differs'
  | 'tool-not-runnable';

/**
 * A tool that cannot be had; the message is one line: what is missing, why it is needed, how to
 * get it.
 */
export class ToolError extends Error {
  readonly code: ToolErrorCode;

  constructor(code: ToolErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ToolError';
    this.code = code;
  }
}
