/** Stable codes of the ways in which the embedded Postgres can refuse or fail. */
export type EmbeddedPostgresErrorCode =
  | 'postgres-no-binaries'
  | 'postgres-no-user'
  | 'postgres-other-major'
  | 'postgres-folder-in-use'
  | 'postgres-password-missing'
  | 'postgres-initialise-failed'
  | 'postgres-start-failed';

/** A failure around the embedded Postgres; recognise it by {@link EmbeddedPostgresError.code}. */
export class EmbeddedPostgresError extends Error {
  readonly code: EmbeddedPostgresErrorCode;

  constructor(code: EmbeddedPostgresErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EmbeddedPostgresError';
    this.code = code;
  }
}
