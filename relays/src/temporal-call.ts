import { type createTemporalClient, rfc3339 } from '@sluice/temporal-client';

/** A connected client whose payload codec picks its key by the workflow's id. */
export type TemporalClient = Awaited<ReturnType<typeof createTemporalClient>>;

/** gRPC's NOT_FOUND: calls of the service itself do not translate it. */
const NOT_FOUND = 5;

/**
 * The call's answer, or `answer` when it fails by an error of this name (or, for a call of the service, when there is no such
 * thing). A namespace that is missing is an error like any other.
 */
export async function answerOr<T, E>(
  call: () => Promise<T>,
  answer: E,
  errorName: string,
): Promise<T | E> {
  try {
    return await call();
  } catch (error) {
    const { name, code, details } = (error ?? {}) as Readonly<Record<string, unknown>>;
    const isMissing = code === NOT_FOUND && !/namespace/i.test(String(details));
    if (name === errorName || isMissing) return answer;
    throw error;
  }
}

const NO_TIME = rfc3339(null);

/** A time as the engine writes it, as RFC 3339 in milliseconds; null for none. */
export function rfc3339Of(time: Parameters<typeof rfc3339>[0]): string | null {
  const text = rfc3339(time);
  return text === NO_TIME ? null : text;
}
