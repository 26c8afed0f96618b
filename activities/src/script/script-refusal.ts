/** A script that was not run, or whose end is no success: becomes the step's failed result. */
export class ScriptRefusal extends Error {
  /** Reason code of the step. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ScriptRefusal';
    this.code = code;
  }
}

/** Codes of the sandbox that say that this worker cannot run any script. */
const UNAVAILABLE: ReadonlySet<string> = new Set([
  'sandbox-isolation-missing',
  'sandbox-limit-missing',
]);

/** True of an error that says that scripts cannot be run here; then none was. */
export function isSandboxGone(error: unknown): boolean {
  const { name, code } = (error ?? {}) as { readonly name?: unknown; readonly code?: unknown };
  return name === 'SandboxError' && typeof code === 'string' && UNAVAILABLE.has(code);
}

/**
 * The reason code of an error of a script's making or of its sandbox; undefined for one that another attempt can mend without the step
 * knowing.
 */
export function findRefusalCode(error: unknown): string | undefined {
  const { name, code } = (error ?? {}) as { readonly name?: unknown; readonly code?: unknown };
  if (typeof code !== 'string') return undefined;
  if (name === 'ScriptRefusal' || name === 'SecretError') return code;
  if (name !== 'SandboxError') return undefined;
  if (code === 'sandbox-run-invalid') return 'input-invalid';
  return isSandboxGone(error) ? 'sandbox-unavailable' : code;
}
