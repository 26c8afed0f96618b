import { setTimeout as sleep } from 'node:timers/promises';
import type { GraphqlClient } from '../graphql-client.ts';
import { POLL_MS } from '../release-client.ts';
import type { RolloutAnswer } from './canary-operations.ts';
import { ROLLOUTS } from './canary-operations.ts';

/** What was seen of a rollout while it went. Milliseconds since the epoch. */
export type WatchedRollout = {
  /** As it was when it was last looked at; null when there was none. */
  readonly last: RolloutAnswer | null;
  /** When each stage was first seen to be the one. */
  readonly begins: readonly number[];
};

/**
 * Looks at a promotion's rollout again and again, and says what changes.
 *
 * @param isOver asked after each look; the last look is one after it has said so.
 */
export async function watchRollout(
  ask: GraphqlClient,
  promotion: string,
  isOver: () => boolean,
  say: (line: string) => void,
  pollMs = POLL_MS,
): Promise<WatchedRollout> {
  const begins: number[] = [];
  let last: RolloutAnswer | null = null;
  let said = '';
  for (;;) {
    const wasOver = isOver();
    const answer = await ask<{ promotion: { rollouts: readonly RolloutAnswer[] } | null }>(
      ROLLOUTS,
      { id: promotion },
    );
    const rollout = answer.promotion?.rollouts.at(-1);
    if (rollout !== undefined) {
      begins[rollout.stage] ??= Date.now();
      const line = describe(rollout, last);
      if (line !== said) say(line);
      said = line;
      last = rollout;
    }
    if (wasOver) return { last, begins };
    await sleep(pollMs);
  }
}

const PHASES: Readonly<Record<string, string>> = {
  GATE: 'the policy is asked',
  DEPLOY: 'its targets get the release',
  TRAFFIC: 'requests are moved',
  SOAK: 'it is watched',
  HELD: 'it has held',
};

function describe(rollout: RolloutAnswer, before: RolloutAnswer | null): string {
  const { state, stage, phase, stages, reason } = rollout;
  const why = reason === null ? '' : `: ${reason.message}`;
  if (state !== 'RUNNING') return `the rollout is ${state.toLowerCase()}${why}`;
  const { name = '', canaryPermille = null } = stages[stage] ?? {};
  const share = canaryPermille === null ? '' : ` (${canaryPermille / 10} % of the requests)`;
  const begins = before?.stage === stage ? '' : share;
  return `stage ${name}${begins}: ${PHASES[phase] ?? phase.toLowerCase()}`;
}
