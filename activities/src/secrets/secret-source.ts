/** For whom a secret is read. */
export interface SecretReader {
  readonly tenantId: string;
  /** Name of the promotion's environment, by the records. */
  readonly environment: string;
}

/** Where steps find the values of secrets: they are named in pipelines, and seen by the step's own process alone. */
export interface SecretSource {
  /**
   * The value of one secret: the environment's own, else what the tenant has for all of its environments. Never another environment's. No
   * message of an error holds any part of a value.
   * @throws SecretError
   */
  read(reader: SecretReader, name: string): Promise<string>;
}

/** Stands in the place of an environment's name, for what is meant for all of a tenant's: no environment can be called so. */
export const SHARED_SECRETS = '_shared';

/** Stable codes of {@link SecretError}; they are reason codes of steps, too. */
export type SecretErrorCode =
  /** There is none of that name: another attempt finds none either. */
  | 'secret-unknown'
  /** It is there and is not taken: others may read it, or it is no text of up to 64 KiB. */
  | 'secret-unreadable';

/** A secret that is not to be had. Recognise it by `name` and {@link SecretError.code}, never by `instanceof`. */
export class SecretError extends Error {
  readonly code: SecretErrorCode;

  constructor(code: SecretErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SecretError';
    this.code = code;
  }
}

/** True for a {@link SecretError}, also one of another realm. */
export function isSecretError(error: unknown): error is SecretError {
  return (error as { name?: unknown } | null)?.name === 'SecretError';
}

/** The most that a secret may have. Bytes. */
export const MAX_SECRET_BYTES = 65_536;

/** What stands in for secrets where a worker was given none: every name is unknown. */
export const NO_SECRETS: SecretSource = {
  read: async (_reader, name) => {
    throw new SecretError(
      'secret-unknown',
      `The secret ${quoteName(name)} is wanted, and this worker has no secrets: set SLUICE_SECRETS_DIR.`,
    );
  },
};

/** A name for messages; whoever wrote a value in the place of a name shall not find all of it in a log. */
export function quoteName(name: string): string {
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);
}
