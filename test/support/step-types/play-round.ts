import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { REQUEST_PROMOTION } from '../documents.ts';
import { queryStack } from '../promotion-checks.ts';
import type { Answered } from '../stack-client.ts';
import { waitFor } from '../wait-for.ts';
import { type StepStage, targetOf } from './step-stage.ts';
import type { StepRound } from './step-stories.ts';
import { isCancelling, killsWorker, type StepFault, type StepStory } from './step-story.ts';

/** A story that was told once. */
export interface PlayedStory {
  readonly story: StepStory;
  readonly fault: StepFault;
  readonly promotion: string;
  /** What went wrong in the telling; undefined when nothing did. */
  readonly trouble?: string;
}

/** How long a killed process stays away: what needs it meanwhile is to wait. */
const AWAY_MS = 2000;

/** All that verifies, builds or asks anew after a killed worker is first missed for the length of a heartbeat's timeout (20 s). */
const SEAL_SECONDS = 240;

/** What is remembered between rounds. */
export interface Tour {
  readonly stage: StepStage;
  /** Promotions that each environment has had. */
  readonly turns: Map<string, number>;
  /** Process id of every worker that there was → whether it lives. */
  readonly workers: Map<number, boolean>;
  readonly say: (line: string) => void;
}

/** Brings all stories of a round to their middle, does what its fault says to all at once, and waits for their ends. */
export async function playRound(tour: Tour, round: StepRound): Promise<readonly PlayedStory[]> {
  const { stage, say } = tour;
  const { fault } = round;
  const played = new Map<StepStory, PlayedStory>();
  const attempt = async (story: StepStory, act: () => Promise<void>): Promise<void> => {
    const one = played.get(story);
    if (one?.trouble !== undefined) return;
    await act().catch((error: unknown) => {
      const promotion = one?.promotion ?? '';
      played.set(story, { story, fault, promotion, trouble: String(error) });
    });
  };
  const each = async (
    stories: readonly StepStory[],
    act: (story: StepStory, promotion: string) => Promise<void>,
  ): Promise<void> => {
    await Promise.all(
      stories.map((story) => attempt(story, () => act(story, played.get(story)?.promotion ?? ''))),
    );
  };
  const begin = (stories: readonly StepStory[]): Promise<void> =>
    each(stories, async (story) => {
      const promotion = await beginStory(tour, story);
      played.set(story, { story, fault, promotion });
      await story.stand(stage, promotion);
    });
  say(`${fault}: ${round.stories.length} promotions begin`);
  await begin(round.stories.filter(({ isLate }) => isLate !== true));
  await begin(round.stories.filter(({ isLate }) => isLate === true));
  await each(round.stories, async (story, promotion) => story.atFault?.(stage, promotion));
  say(`${fault}: all stand in their steps`);
  const letGo = (): Promise<void> =>
    each(round.stories, async (story, promotion) => {
      if (!isCancelling(fault) || story.isLetGoWhenCancelled) {
        await story.letGo?.(stage, promotion);
      }
    });
  await inflict(tour, round, letGo, each);
  await each(round.stories, async (_, promotion) => {
    await stage.client.untilSealed(promotion, SEAL_SECONDS);
  });
  // Also after trouble: the next round finds nothing that still holds.
  await Promise.all(
    round.stories.map(async (story) => {
      await story.clear?.(stage).catch((error: unknown) => say(String(error)));
    }),
  );
  say(`${fault}: all have ended`);
  return round.stories.map((story) => played.get(story) ?? { story, fault, promotion: '' });
}

async function beginStory({ stage, turns }: Tour, story: StepStory): Promise<string> {
  const turn = (turns.get(story.name) ?? 0) + 1;
  turns.set(story.name, turn);
  const promotion = `${story.name}/${turn}`;
  await story.prepare?.(stage, promotion);
  const { requestPromotion: answer } = await stage.client.ask<{
    requestPromotion: Answered<{ readonly id: string }>;
  }>(REQUEST_PROMOTION, {
    input: {
      environment: story.name,
      idempotencyKey: randomUUID(),
      ...story.request?.(stage, turn),
    },
  });
  const { id } = answer as { readonly id?: string };
  if (id !== promotion) throw new Error(`${promotion} was not taken: ${JSON.stringify(answer)}`);
  return promotion;
}

type Each = (
  stories: readonly StepStory[],
  act: (story: StepStory, promotion: string) => Promise<void>,
) => Promise<void>;

async function inflict(
  tour: Tour,
  { fault, stories }: StepRound,
  letGo: () => Promise<void>,
  each: Each,
): Promise<void> {
  const { stage } = tour;
  if (isCancelling(fault)) {
    await each(stories, async (_, promotion) => {
      const answer = await stage.client.cancel(promotion, 'the story wants it');
      if (answer.__typename !== 'Promotion') throw new Error(JSON.stringify(answer));
    });
    await untilDelivered(stage);
  }
  if (fault === 'cancel') return letGo();
  const parts = partsOf(fault, stories);
  await Promise.all(parts.map((part) => killPart(tour, part)));
  // An agent that does not run cannot be let go.
  const going = fault === 'agent' ? undefined : letGo();
  await sleep(AWAY_MS);
  await Promise.all(parts.map((part) => startPart(tour, part)));
  await (going ?? letGo());
}

function partsOf(fault: StepFault, stories: readonly StepStory[]): readonly string[] {
  if (killsWorker(fault)) return ['worker'];
  if (fault === 'engine') return ['temporal'];
  return fault === 'agent' ? stories.map(({ name }) => `agent-${targetOf(name)}`) : [fault];
}

async function killPart({ stage: { made }, workers }: Tour, part: string): Promise<void> {
  if (part === 'worker') workers.set(made.stack.getPid(part), false);
  await made.stack.kill(part);
}

async function startPart({ stage: { made }, workers }: Tour, part: string): Promise<void> {
  await made.stack.start(part);
  if (part === 'worker') workers.set(made.stack.getPid(part), true);
}

/** Until the engine has been told all that was to be told. */
async function untilDelivered({ made }: StepStage): Promise<void> {
  await waitFor('the engine has heard of it', async () => {
    const sql = 'select from sluice.outbox where delivered_at is null';
    return (await queryStack(made.stack, sql)).length === 0;
  });
}
