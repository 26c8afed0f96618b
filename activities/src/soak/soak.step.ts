import { pause } from '../pause.ts';
import {
  failedResult,
  type StepOutcome,
  type StepRun,
  type StepType,
  succeededResult,
} from '../step/step-type.ts';
import { listProbes, type SoakParts, type SoakProbe } from './soak-probes.ts';
import { readProgress, type SoakProgress, tellProgress } from './soak-progress.ts';
import { askRound, type FailedProbe } from './soak-round.ts';

/** Milliseconds. */
const HEARTBEAT_INTERVAL_MS = 2000;

/** Lines of progress in the log of one soak. */
const PROGRESS_LINES = 20;

/**
 * `soak@1`: lets time pass in which everything must stay healthy. Its heartbeats say how far it has come, and another attempt goes on
 * from there; time in which nobody watched does not count. Reason codes: `soak-unhealthy`, `address-refused`, `input-invalid`.
 */
export function createSoakStep(parts: SoakParts): StepType {
  return {
    type: 'soak',
    version: 1,
    run: (run) => soak(parts, run),
  };
}

interface SoakInputs {
  readonly seconds: number;
  readonly everySeconds?: number;
  readonly failures?: number;
}

async function soak(parts: SoakParts, run: StepRun): Promise<StepOutcome> {
  const { scope, output } = run;
  const before = readProgress(scope.progress);
  const watch = startWatch(before.watchedMs);
  let progress: SoakProgress = before;
  const tell = (): void =>
    scope.heartbeat(tellProgress({ ...progress, watchedMs: watch.watchedMs() }));
  tell();
  const timer = setInterval(tell, HEARTBEAT_INTERVAL_MS);
  try {
    const probes = await listProbes(parts, run);
    if (probes.length === 0) return nothingToAsk();
    output.write(describeStart(run, probes, before));
    return await watchProbes(run, probes, watch, before, (next) => {
      progress = next;
      tell();
    });
  } finally {
    clearInterval(timer);
  }
}

interface Watch {
  /** Milliseconds, with those of earlier attempts. */
  watchedMs(): number;
}

function startWatch(earlierMs: number): Watch {
  const began = performance.now();
  return { watchedMs: () => Math.round(earlierMs + performance.now() - began) };
}

async function watchProbes(
  run: StepRun,
  probes: readonly SoakProbe[],
  watch: Watch,
  before: SoakProgress,
  onRound: (progress: SoakProgress) => void,
): Promise<StepOutcome> {
  const { seconds, everySeconds = 15, failures = 1 } = run.inputs as unknown as SoakInputs;
  const { cancellation } = run.scope;
  const wholeMs = seconds * 1000;
  const everyMs = everySeconds * 1000;
  let { rounds, failing } = before;
  let told = Math.floor((before.watchedMs / wholeMs) * PROGRESS_LINES);
  // A timer may wake a moment early: what was due counts as reached.
  let due = before.watchedMs;
  // An attempt that ended between its last round and its result has nothing left to do.
  while (rounds === 0 || due < wholeMs) {
    const reached = Math.max(due, watch.watchedMs());
    due = Math.min(wholeMs, (Math.floor(reached / everyMs) + 1) * everyMs);
    await pause(due - watch.watchedMs(), cancellation);
    cancellation.throwIfAborted();
    const round = await askRound(probes, failing, failures, cancellation);
    rounds += 1;
    failing = round.failing;
    for (const line of round.lines) run.output.write(`${line}\n`);
    if (round.failed !== undefined) return unhealthy(round.failed, watch.watchedMs(), seconds);
    onRound({ watchedMs: watch.watchedMs(), rounds, failing });
    const now = Math.floor((watch.watchedMs() / wholeMs) * PROGRESS_LINES);
    if (now > told) run.output.write(describeRound(rounds, watch.watchedMs(), seconds, failing));
    told = Math.max(told, now);
  }
  return { result: succeededResult({}, { rounds }) };
}

function nothingToAsk(): StepOutcome {
  return {
    result: failedResult(
      'input-invalid',
      'The soak names no probes, and the environment has no targets: there is nothing to watch. Give it `probes`, or take `wait@1`.',
    ),
  };
}

function unhealthy(
  { probe, count, outcome, refused }: FailedProbe,
  watchedMs: number,
  seconds: number,
): StepOutcome {
  if (refused) {
    return {
      result: failedResult(
        'address-refused',
        `${probe.shown} may not be asked from this worker: ${outcome}.`,
      ),
    };
  }
  const often = count === 1 ? 'failed' : `failed ${count} times in a row`;
  return {
    result: failedResult(
      'soak-unhealthy',
      `${probe.shown} ${often} after ${inSeconds(watchedMs)} of ${seconds} s: ${outcome}. Look at the log of that service.`,
    ),
  };
}

function describeStart(
  { scope, inputs }: StepRun,
  probes: readonly SoakProbe[],
  before: SoakProgress,
): string {
  const { seconds, everySeconds = 15 } = inputs as unknown as SoakInputs;
  const what = `${probes.length} ${probes.length === 1 ? 'probe' : 'probes'}`;
  const where =
    before.watchedMs === 0
      ? ''
      : `; attempt ${scope.attempt} goes on after ${inSeconds(before.watchedMs)} and ${before.rounds} rounds`;
  return `Watching ${what} for ${seconds} s, every ${everySeconds} s${where}.\n`;
}

function describeRound(
  rounds: number,
  watchedMs: number,
  seconds: number,
  failing: SoakProgress['failing'],
): string {
  const sick = Object.keys(failing).length;
  const health = sick === 0 ? 'all healthy' : `${sick} failing`;
  return `Round ${rounds}, ${inSeconds(watchedMs)} of ${seconds} s: ${health}.\n`;
}

function inSeconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
