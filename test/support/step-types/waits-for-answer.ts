import type { StepTemplate } from '@sluice/domain';
import { waitFor } from '../wait-for.ts';
import { findRepeatedRequests } from './effect-receiver.ts';
import { killsWorker, type StepFault, type StepStory, type StoryRoom } from './step-story.ts';

/** What all stories have in common whose step waits for an answer: it is kept back, by the first part of the path. */
export function waitsForAnswer(
  path: string,
  step: string,
): Pick<StepStory, 'step' | 'prepare' | 'stand' | 'letGo' | 'clear' | 'findProblems' | 'hasLog'> {
  const keyOf = (promotion: string): string => `${promotion}/${step}.`;
  return {
    step,
    hasLog: true,
    prepare: async ({ receiver }) => receiver.hold(path),
    stand: async ({ receiver }, promotion) => {
      const isThere = async (): Promise<boolean> =>
        receiver.list(path, keyOf(promotion)).length > 0;
      await waitFor(`${promotion} asks for ${path}`, isThere, { seconds: 90 });
    },
    letGo: async ({ receiver }) => receiver.release(path),
    clear: async ({ receiver }) => receiver.release(path),
    findProblems: async ({ receiver }, promotion, fault) =>
      findRepeatedRequests(receiver.list(path, keyOf(promotion)), mostRequests(fault)),
  };
}

/** A request whose answer was lost with its worker is made again. */
function mostRequests(fault: StepFault): number {
  return killsWorker(fault) ? 2 : 1;
}

/** A step that posts to the receiver. */
export function post(id: string, room: StoryRoom, path: string): StepTemplate {
  const inputs = { method: 'POST', url: `${room.receiverUrl}/${path}`, json: { by: 'a story' } };
  return { id, type: 'http@1', timeoutSeconds: 120, inputs };
}
