/** Waits, or until the cancellation; never throws. */
export function pause(ms: number, cancellation: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (cancellation.aborted || ms <= 0) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      cancellation.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    cancellation.addEventListener('abort', done, { once: true });
  });
}
