import type { AnalysisDocument, AnalysisPlan } from '@sluice/domain';
import type { Logger } from '@sluice/observability';
import { forgetProbeSamples, withTenant } from '@sluice/persistence';
import type { RolloutActivities } from '@sluice/temporal-contract';
import type { ActivityScope } from '../activity-scope.ts';
import type { ActivityDependencies } from '../dependencies.ts';
import { requireOutbound } from '../outbound/outbound-clients.ts';
import { pause } from '../pause.ts';
import { runActivity } from '../run-activity.ts';
import { healthProbesOf, type SoakProbe } from '../soak/soak-probes.ts';
import { readProgress, type SoakProgress, tellProgress } from '../soak/soak-progress.ts';
import { askRound, type FailedProbe } from '../soak/soak-round.ts';
import { keepAnalysis, type StageEnd, verdictOf } from './keep-analysis.ts';
import { lookAtStage } from './look-at-stage.ts';
import { findStageSubject, type StageSubject, type WatchStageInput } from './stage-subject.ts';

/** Milliseconds. */
const HEARTBEAT_INTERVAL_MS = 2000;

/** Before a target that was found sick is asked once more. Milliseconds. */
const SECOND_LOOK_MS = 1000;

type WatchParts = Pick<
  ActivityDependencies,
  | 'pool'
  | 'evidence'
  | 'signer'
  | 'logger'
  | 'scope'
  | 'observe'
  | 'outbound'
  | 'secrets'
  | 'analysisProviders'
  | 'now'
>;

/**
 * `watchStage`: lets the stage's time pass, in which all new targets must stay healthy and, where metrics are compared, no look may fail.
 * Another attempt goes on from the heartbeat of the one before: time in which nobody watched is not counted, while samples are read again
 * from the stage's beginning. The result of one watching is stored once. Reason codes: `stage-unhealthy`, `address-refused`, those of
 * {@link ANALYSIS_TROUBLES}, and `analysis-` before each of the judge's.
 */
export function createWatchStageActivities(
  parts: WatchParts,
): Pick<RolloutActivities, 'watchStage'> {
  return {
    watchStage: (input) => {
      const { stepId, traceparent } = input;
      const correlation = { ...input.promotion, stepId, traceparent };
      return runActivity(parts, 'watchStage', correlation, async (log, scope) => {
        const { tenantId } = input.promotion;
        const found = await withTenant(parts.pool, tenantId, (tx) => findStageSubject(tx, input));
        if ('stored' in found) return verdictOf(found.stored);
        const { subject } = found;
        const end = await watch(parts, input, subject, log, scope);
        const endedAt = new Date(now(parts)).toISOString();
        const verdict = await keepAnalysis(parts, input, subject, end, endedAt);
        // By whoever reads them: that needs no timer and no role that sees all tenants.
        await withTenant(parts.pool, tenantId, (tx) => forgetProbeSamples(tx));
        log.info({ stage: input.stage, ...verdict }, 'stage watched');
        return verdict;
      });
    },
  };
}

async function watch(
  parts: WatchParts,
  input: WatchStageInput,
  subject: StageSubject,
  log: Logger,
  scope: ActivityScope,
): Promise<StageEnd> {
  const before = readProgress(scope.progress);
  const began = performance.now();
  const watchedMs = (): number => Math.round(before.watchedMs + performance.now() - began);
  let progress: SoakProgress = before;
  const tell = (): void => scope.heartbeat(tellProgress({ ...progress, watchedMs: watchedMs() }));
  tell();
  const timer = setInterval(tell, HEARTBEAT_INTERVAL_MS);
  try {
    const probes = healthProbesOf(subject.canary, requireOutbound(parts.outbound).configured);
    const look = async (number: number): Promise<AnalysisDocument | null> => {
      if (subject.plan === null) return null;
      const planned = { ...subject, plan: subject.plan as AnalysisPlan };
      const to = now(parts);
      const document = await lookAtStage(parts, input, planned, number, to, scope.cancellation);
      const { conclusion } = document;
      log.info({ stage: input.stage, look: number, ...conclusion }, 'stage looked at');
      return document;
    };
    const onRound = (rounds: number): void => {
      progress = { watchedMs: watchedMs(), rounds, failing: {} };
      tell();
    };
    return await watchRounds(subject, { probes, look, watchedMs, onRound, before, scope });
  } finally {
    clearInterval(timer);
  }
}

interface Watching {
  readonly probes: readonly SoakProbe[];
  readonly look: (number: number) => Promise<AnalysisDocument | null>;
  readonly watchedMs: () => number;
  readonly onRound: (rounds: number) => void;
  readonly before: SoakProgress;
  readonly scope: ActivityScope;
}

async function watchRounds(
  { times, intervalSeconds, stage }: StageSubject,
  { probes, look, watchedMs, onRound, before, scope }: Watching,
): Promise<StageEnd> {
  const { cancellation } = scope;
  const wholeMs = stage.soakSeconds * 1000;
  const everyMs = intervalSeconds * 1000;
  let { rounds } = before;
  // A timer may wake a moment early: what was due counts as reached.
  let due = before.watchedMs;
  // An attempt that ended between its last round and its result has only to look.
  while (rounds === 0 || due < wholeMs) {
    const reached = Math.max(due, watchedMs());
    due = Math.min(wholeMs, (Math.floor(reached / everyMs) + 1) * everyMs);
    await pause(due - watchedMs(), cancellation);
    cancellation.throwIfAborted();
    const failed = await findSick(probes, cancellation);
    if (failed !== undefined) return unhealthy(failed);
    rounds += 1;
    onRound(rounds);
    const number = Math.floor(rounds / times.roundsPerLook);
    const isLook = rounds % times.roundsPerLook === 0 && number < times.looks && due < wholeMs;
    const document = isLook ? await look(number) : null;
    if (document?.conclusion.outcome === 'fail') return { document };
  }
  const document = await look(times.looks);
  return document === null
    ? { document, conclusion: { outcome: 'pass', reason: null } }
    : { document };
}

/** A target is sick when it fails twice, one after the other: a single answer that is lost ends nothing. */
async function findSick(
  probes: readonly SoakProbe[],
  cancellation: AbortSignal,
): Promise<FailedProbe | undefined> {
  const first = await askRound(probes, {}, 2, cancellation);
  if (first.failed !== undefined) return first.failed;
  const suspects = probes.filter(({ key }) => Object.hasOwn(first.failing, key));
  if (suspects.length === 0) return undefined;
  await pause(SECOND_LOOK_MS, cancellation);
  cancellation.throwIfAborted();
  return (await askRound(suspects, first.failing, 2, cancellation)).failed;
}

function unhealthy({ probe, outcome, refused }: FailedProbe): StageEnd {
  const reason = refused
    ? {
        code: 'address-refused',
        message: `${probe.shown} may not be asked from this worker: ${outcome}.`,
      }
    : {
        code: 'stage-unhealthy',
        message: `${probe.shown} failed twice: ${outcome}. Look at the log of that service.`,
      };
  return { document: null, conclusion: { outcome: 'fail', reason } };
}

function now({ now: read = Date.now }: Pick<WatchParts, 'now'>): number {
  return read();
}
