import type { RouteCode } from './router.ts';

/** A proxy could not be told or asked. Recognise it by `name` and {@link RouterError.code}. */
export class RouterError extends Error {
  readonly code: RouteCode;

  constructor(code: RouteCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RouterError';
    this.code = code;
  }
}

/** The one-line reason of any error. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { code?: unknown };
  const message = error.message.split('\n')[0] ?? '';
  return message === '' ? String(code ?? error.name) : message;
}

/** Runs an action; what it throws becomes a {@link RouterError} that says what was tried. */
export async function orDown<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if ((error as { name?: unknown }).name === 'RouterError') throw error;
    throw new RouterError('router-down', `${what}: ${reasonOf(error)}.`, { cause: error });
  }
}
