import { setMaxListeners } from 'node:events';
import { askProbe, type ProbeAnswer, type SoakProbe } from './soak-probes.ts';
import type { SoakProgress } from './soak-progress.ts';

/** The probe that ends a soak. */
export interface FailedProbe {
  readonly probe: SoakProbe;
  /** Failures in a row. */
  readonly count: number;
  readonly outcome: string;
  /** It cannot be asked at all. */
  readonly refused: boolean;
}

/** What one round found. */
export interface SoakRound {
  readonly failing: SoakProgress['failing'];
  /** The first by order that failed so often that the soak ends. */
  readonly failed?: FailedProbe;
  /** What changed, for the log. */
  readonly lines: readonly string[];
}

const AT_A_TIME = 20;
const MAX_LINES = 20;

/** Asks every probe once, some at a time. Throws the cancellation's reason only. */
export async function askRound(
  probes: readonly SoakProbe[],
  before: SoakProgress['failing'],
  failures: number,
  cancellation: AbortSignal,
): Promise<SoakRound> {
  const answers = await askAll(probes, cancellation);
  const failing = new Map<string, number>();
  const lines: string[] = [];
  let failed: FailedProbe | undefined;
  for (const [index, probe] of probes.entries()) {
    const answer = answers[index];
    const earlier = Object.hasOwn(before, probe.key) ? (before[probe.key] ?? 0) : 0;
    if (answer === undefined || answer.healthy) {
      if (earlier > 0) lines.push(`${probe.shown} is healthy again.`);
      continue;
    }
    const count = earlier + 1;
    failing.set(probe.key, count);
    lines.push(`${probe.shown}: ${answer.outcome} (${count} of ${failures} in a row).`);
    const refused = answer.refused === true;
    if (count >= failures || refused) {
      failed ??= { probe, count, outcome: answer.outcome, refused };
    }
  }
  const more = lines.length - MAX_LINES;
  return {
    failing: Object.fromEntries(failing),
    ...(failed === undefined ? {} : { failed }),
    lines: more > 0 ? [...lines.slice(0, MAX_LINES), `… and ${more} more probes.`] : lines,
  };
}

async function askAll(
  probes: readonly SoakProbe[],
  cancellation: AbortSignal,
): Promise<readonly ProbeAnswer[]> {
  const answers: ProbeAnswer[] = new Array(probes.length);
  // Each request listens; Node warns of more listeners than ten on one signal.
  const ended = new AbortController();
  setMaxListeners(AT_A_TIME, ended.signal);
  const onCancel = (): void => ended.abort(cancellation.reason);
  cancellation.addEventListener('abort', onCancel, { once: true });
  let next = 0;
  const ask = async (): Promise<void> => {
    while (next < probes.length) {
      const index = next;
      next += 1;
      const probe = probes[index];
      if (probe !== undefined) answers[index] = await askProbe(probe, ended.signal);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(AT_A_TIME, probes.length) }, ask));
    return answers;
  } finally {
    cancellation.removeEventListener('abort', onCancel);
  }
}
