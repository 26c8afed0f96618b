import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { decide, readApprovals, rollBack } from '../deciders.ts';
import { REQUEST_PROMOTION } from '../documents.ts';
import type { Answered } from '../stack-client.ts';
import { type ChaosStory, drawStory } from './chaos-plan.ts';
import { CHAOS_ENVIRONMENTS, type ChaosStage } from './chaos-stack.ts';

/** One promotion that a client asked for. */
export interface PlayedChaos {
  readonly id: string;
  readonly story: ChaosStory;
  /** Why it could not be seen to its end; absent when it was. */
  trouble?: string;
}

/** What all clients of a run share. */
export interface ChaosWork {
  readonly stage: ChaosStage;
  readonly promotions: number;
  /** All that were taken, in their order. */
  readonly played: PlayedChaos[];
  /** How many were asked for, those included whose answer is awaited. */
  asked: number;
  /** How many have ended. */
  ended: number;
}

/** A promotion that has not ended by then is stuck. Seconds. */
const STUCK_SECONDS = 480;

/**
 * One client: takes its release from environment to environment as far as it comes, then begins again; now and then it does
 * something else there. Ends when all promotions of the run were asked for.
 */
export async function playClient(
  work: ChaosWork,
  number: number,
  random: () => number,
): Promise<void> {
  const { good } = work.stage.releases;
  const release = good[number % good.length] ?? '';
  let place = 0;
  while (work.asked < work.promotions) {
    work.asked += 1;
    const story = drawStory(random, place);
    const id = await begin(work.stage, story, CHAOS_ENVIRONMENTS[place] ?? '', release);
    if (id === undefined) {
      // What it builds on is not there (any more): from the beginning.
      place = 0;
      work.asked -= 1;
      await sleep(200);
      continue;
    }
    const played: PlayedChaos = { id, story };
    work.played.push(played);
    const state = await playOut(work.stage, played, random).catch((error: unknown) => {
      played.trouble = String(error);
    });
    work.ended += 1;
    place = state === 'SUCCEEDED' && story !== 'rolled-back' ? (place + 1) % 3 : 0;
  }
}

/** Asks for a promotion; undefined when it is refused for what other clients did meanwhile. */
async function begin(
  { manager, admin, releases }: ChaosStage,
  story: ChaosStory,
  environment: string,
  release: string,
): Promise<string | undefined> {
  if (story === 'rolled-back') {
    const answer = await rollBack(admin, { environment, to: 'LAST_VERIFIED' });
    return expectRefusal(answer, ['no-verified-release']);
  }
  const wanted: Partial<Record<ChaosStory, string>> = {
    denied: releases.leaking,
    reverted: releases.unverifiable,
  };
  const { requestPromotion } = await manager.ask<{
    requestPromotion: Answered<{ readonly id: string }>;
  }>(REQUEST_PROMOTION, {
    input: { release: wanted[story] ?? release, environment, idempotencyKey: randomUUID() },
  });
  return expectRefusal(requestPromotion, ['predecessor-not-verified']);
}

function expectRefusal(
  answer: Answered<{ readonly id: string }>,
  codes: readonly string[],
): string | undefined {
  if ('id' in answer) return answer.id;
  if (codes.includes(answer.code)) return undefined;
  throw new Error(JSON.stringify(answer));
}

/** Plays its people until it is sealed; gives its end. */
async function playOut(
  stage: ChaosStage,
  { id, story }: PlayedChaos,
  random: () => number,
): Promise<string> {
  const done = new AbortController();
  const asked = id.startsWith(CHAOS_ENVIRONMENTS[2]) && story !== 'rolled-back';
  const people = [
    asked ? decideWhenAsked(stage, id, story, done.signal) : undefined,
    story === 'cancelled' ? cancelSoon(stage, id, random() * 6000) : undefined,
  ];
  try {
    return (await stage.manager.untilSealed(id, STUCK_SECONDS)).state;
  } finally {
    done.abort();
    await Promise.all(people.map(async (person) => person));
  }
}

async function cancelSoon({ manager }: ChaosStage, id: string, ms: number): Promise<void> {
  await sleep(ms);
  await manager.cancel(id);
}

/** Decides in every round, with one key each: whatever dies meanwhile, it counts once. */
async function decideWhenAsked(
  { approver }: ChaosStage,
  id: string,
  story: ChaosStory,
  signal: AbortSignal,
): Promise<void> {
  const decision = story === 'rejected' ? 'REJECT' : 'APPROVE';
  const keys = new Map<string, string>();
  while (!signal.aborted) {
    await sleep(500);
    const { approval } = await readApprovals(approver, id).catch(() => ({ approval: null }));
    if (approval?.state !== 'WAITING') continue;
    if (approval.decisions.some(({ recorded }) => recorded)) continue;
    const idempotencyKey = keys.get(approval.id) ?? randomUUID();
    keys.set(approval.id, idempotencyKey);
    await decide(approver, id, { decision, plan: approval.planDigest, idempotencyKey }).catch(
      () => undefined,
    );
  }
}
