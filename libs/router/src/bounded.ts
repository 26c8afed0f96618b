/** One question to a proxy, or one program that is run. */
const CALL_TIMEOUT_MS = 15_000;

/** A signal that ends a call to a proxy: the caller's, and at the latest after 15 s. */
export function bounded(signal: AbortSignal | undefined): AbortSignal {
  const timeout = AbortSignal.timeout(CALL_TIMEOUT_MS);
  return signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
}
