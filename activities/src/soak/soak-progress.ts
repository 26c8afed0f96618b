/** How far a soak has come: what its heartbeats say, and what the next attempt goes on from. */
export interface SoakProgress {
  /** Milliseconds in which somebody watched. */
  readonly watchedMs: number;
  readonly rounds: number;
  /** Probe → failures in a row; those without any are left out. */
  readonly failing: Readonly<Record<string, number>>;
}

/** Probes that are told as failing; a soak seldom goes on with more. */
const MAX_FAILING = 500;

/** At the beginning. */
export const NO_PROGRESS: SoakProgress = { watchedMs: 0, rounds: 0, failing: {} };

/** What a heartbeat says. */
export function tellProgress(progress: SoakProgress): { readonly soak: SoakProgress } {
  const failing = Object.entries(progress.failing).slice(0, MAX_FAILING);
  return { soak: { ...progress, failing: Object.fromEntries(failing) } };
}

/** What the attempt before said; the beginning where it said nothing that is understood. */
export function readProgress(detail: unknown): SoakProgress {
  const told = (detail as { readonly soak?: Partial<SoakProgress> } | null | undefined)?.soak;
  const { watchedMs, rounds, failing } = told ?? {};
  if (!isCount(watchedMs) || !isCount(rounds)) return NO_PROGRESS;
  const counts = Object.entries(failing ?? {}).filter(([, count]) => isCount(count));
  return { watchedMs, rounds, failing: Object.fromEntries(counts) };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
