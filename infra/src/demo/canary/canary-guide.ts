import { tokenFileOf } from '../../stack/stack-secrets.ts';
import type { Stack } from '../../stack/stack-types.ts';
import { createShown } from '../shown-path.ts';
import { EDGE, SHOP } from './canary-stage.ts';
import type { CanaryStory } from './canary-told.ts';

/** Where to look and what to type next; `from` is the folder in which the reader stands. */
export function toCanaryGuide(stack: Stack, story: CanaryStory, from: string): string {
  const shown = createShown(from);
  const reverted = story.rollouts.find(({ failedAt }) => failedAt !== null);
  const id = reverted?.promotion ?? `${SHOP}/2`;
  return `
GraphQL explorer   ${stack.explorerUrl}
  in "Set Headers": Authorization = Bearer <content of ${shown(tokenFileOf(stack.layout, 'viewer'))}>
the service        ${story.proxy.url} (${story.proxy.kind}, router ${EDGE})
data and logs      ${shown(stack.dataDir)}

To go on by hand, in another terminal:
  export SLUICE_API_URL=${stack.apiUrl}
  export SLUICE_TOKEN_FILE=${shown(tokenFileOf(stack.layout, 'release-manager'))}
  npx sluice rollout show ${id}
  npx sluice analysis show ${id}

Begin another one, and have a say in it:
  npx sluice promote ${SHOP} hello@1.0.0
  npx sluice rollout pause ${nextId(story)}
  npx sluice rollout resume ${nextId(story)}
  npx sluice rollout promote ${nextId(story)}`;
}

function nextId({ promotions }: CanaryStory): string {
  const numbers = promotions.map(({ promotion }) => Number(promotion.id.split('/')[1]));
  return `${SHOP}/${Math.max(0, ...numbers) + 1}`;
}
