/** Stable codes of {@link DriverError}; what a report of an agent carries. */
export type DriverErrorCode =
  | 'activation-unknown'
  | 'components-unsupported'
  | 'image-without-command'
  | 'nix-store-taken'
  | 'nix-store-unmountable'
  | 'port-in-use'
  | 'secret-missing'
  | 'service-start-failed'
  | 'service-stop-failed'
  | 'setting-invalid';

/** An activation can not be done on this target. Recognise it by `name` and {@link DriverError.code}. */
export class DriverError extends Error {
  readonly code: DriverErrorCode;

  constructor(code: DriverErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DriverError';
    this.code = code;
  }
}
