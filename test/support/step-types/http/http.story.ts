import { findRepeatedRequests } from '../effect-receiver.ts';
import { releaseInTurn } from '../release-in-turn.ts';
import type { StepStory } from '../step-story.ts';
import { post, waitsForAnswer } from '../waits-for-answer.ts';

const HTTP: StepStory = {
  ...waitsForAnswer('http', 'ask'),
  name: 'http',
  type: 'http@1',
  steps: (room) => [{ ...post('ask', room, 'http'), concurrencyGroup: 'receiver' }],
  needs: [],
  request: releaseInTurn,
};

/** One attempt: a request whose answer was lost is not made again, for who is asked may not know its key. */
const HTTP_ONCE: StepStory = {
  ...waitsForAnswer('http-once', 'ask-once'),
  name: 'http-once',
  type: 'http@1',
  steps: (room) => [{ ...post('ask-once', room, 'http-once'), retry: { attempts: 1 } }],
  needs: [],
  request: releaseInTurn,
  end: (fault) => (fault === 'worker' ? { state: 'FAILED', code: 'attempt-lost' } : undefined),
  findProblems: async ({ receiver }, promotion) =>
    findRepeatedRequests(receiver.list('http-once', `${promotion}/`), 1),
};

/** Stories about `http@1`. */
export const HTTP_STORIES: readonly StepStory[] = [HTTP, HTTP_ONCE];
