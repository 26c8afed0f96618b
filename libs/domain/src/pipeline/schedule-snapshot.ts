import { DomainError } from '../domain-error.ts';
import type { PipelineStops } from './pipeline-ending.ts';
import type { ScheduleGraph } from './schedule-graph.ts';
import { PIPELINE_PHASES, type PipelinePhase } from './step-decision.ts';
import { isSettled, type StepStanding } from './step-outcome.ts';

/** Where a schedule is: a phase of the run, or past the last. */
export type SchedulePhase = PipelinePhase | 'ended';

/** The schema tag of {@link ScheduleSnapshot}. */
export const SCHEDULE_SNAPSHOT_SCHEMA = 'sluice.schedule/v1';

/** Everything that changes in a schedule, as JSON and small: one character for each step. It outlives the code that wrote it. */
export interface ScheduleSnapshot {
  readonly schema: typeof SCHEDULE_SNAPSHOT_SCHEMA;
  /** Of the steps that it belongs to, and of `failFast`. */
  readonly fingerprint: string;
  readonly phase: SchedulePhase;
  /** From 1; grows with each requeueing. */
  readonly round: number;
  readonly stops: PipelineStops;
  /** In the pipeline's order, by {@link STANDING_SIGNS}. */
  readonly standings: string;
  /** Positions of the steps whose effects would be put back, in the order of their ends. */
  readonly effects: readonly number[];
  /** Of the steps that were sent back: position, and the round that began with it; by position. */
  readonly requeued: readonly (readonly [number, number])[];
}

/** One character for each standing. Never change one: recorded histories hold them. */
export const STANDING_SIGNS: ReadonlyMap<string, StepStanding> = new Map([
  ['.', { state: 'pending' }],
  ['r', { state: 'running' }],
  ['s', { state: 'succeeded' }],
  ['f', { state: 'failed', tolerated: false }],
  ['t', { state: 'failed', tolerated: true }],
  ['p', { state: 'partial', tolerated: false }],
  ['q', { state: 'partial', tolerated: true }],
  ['o', { state: 'skipped', cause: 'own-will' }],
  ['k', { state: 'skipped', cause: 'trouble' }],
  ['c', { state: 'cancelled' }],
  ['v', { state: 'reverted' }],
  ['S', { state: 'succeeded', inFinale: true }],
  ['F', { state: 'failed', tolerated: false, inFinale: true }],
  ['T', { state: 'failed', tolerated: true, inFinale: true }],
  ['P', { state: 'partial', tolerated: false, inFinale: true }],
  ['Q', { state: 'partial', tolerated: true, inFinale: true }],
  ['O', { state: 'skipped', cause: 'own-will', inFinale: true }],
  ['K', { state: 'skipped', cause: 'trouble', inFinale: true }],
  ['C', { state: 'cancelled', inFinale: true }],
] satisfies readonly (readonly [string, StepStanding])[]);

const SIGNS: ReadonlyMap<string, string> = new Map(
  [...STANDING_SIGNS].map(([sign, standing]) => [keyOf(standing), sign]),
);

function keyOf(standing: StepStanding): string {
  if (!isSettled(standing)) return standing.state === 'waiting' ? 'running' : standing.state;
  const place = standing.inFinale === true ? 'finale' : 'ordinary';
  switch (standing.state) {
    case 'failed':
    case 'partial':
      return `${standing.state} ${standing.tolerated} ${place}`;
    case 'skipped':
      return `skipped ${standing.cause} ${place}`;
    case 'succeeded':
    case 'cancelled':
    case 'reverted':
      return `${standing.state} ${place}`;
  }
}

/** Standings as one text. */
export function writeStandings(standings: readonly StepStanding[]): string {
  return standings.map((standing) => SIGNS.get(keyOf(standing)) ?? '?').join('');
}

/**
 * Standings of a snapshot, after a look at the whole of it.
 * @throws DomainError `snapshot-unreadable` for another form, `snapshot-foreign` when it belongs to other steps
 */
export function readSnapshot(
  snapshot: ScheduleSnapshot,
  { nodes, fingerprint }: ScheduleGraph,
): readonly StepStanding[] {
  const { schema, phase, round, standings, effects, requeued, stops } = snapshot;
  if (schema !== SCHEDULE_SNAPSHOT_SCHEMA) throw unreadable(`its schema is "${schema}"`);
  if (snapshot.fingerprint !== fingerprint || standings.length !== nodes.length) {
    const message = `The snapshot belongs to a pipeline of ${standings.length} steps (${snapshot.fingerprint}), not to this one of ${nodes.length} (${fingerprint}). Restore it with the steps that it was made of.`;
    throw new DomainError('snapshot-foreign', message);
  }
  if (phase !== 'ended' && !PIPELINE_PHASES.includes(phase)) throw unreadable(`phase "${phase}"`);
  if (!Number.isSafeInteger(round) || round < 1) throw unreadable(`round ${round}`);
  if ([stops.cancelled, stops.denied, stops.outOfTime].some((one) => typeof one !== 'boolean')) {
    throw unreadable('its stops are not true or false');
  }
  const read = [...standings].map((sign) => {
    const standing = STANDING_SIGNS.get(sign);
    if (standing === undefined) throw unreadable(`standing "${sign}"`);
    return standing;
  });
  const seen = new Set<number>();
  for (const index of effects) {
    const standing = read[index];
    const isEffect = standing !== undefined && isSettled(standing) && nodes[index]?.compensate;
    if (isEffect !== true || seen.has(index)) throw unreadable(`effect of step number ${index}`);
    seen.add(index);
  }
  for (const [index, since] of requeued) {
    const isRound = Number.isSafeInteger(since) && since > 1 && since <= round;
    if (nodes[index] === undefined || !isRound) throw unreadable(`round of step number ${index}`);
  }
  return read;
}

function unreadable(what: string): DomainError {
  return new DomainError(
    'snapshot-unreadable',
    `The snapshot of a schedule cannot be read: ${what}. Restore one that a schedule wrote.`,
  );
}
