import { tokenFileOf } from '../stack/stack-secrets.ts';
import type { Stack } from '../stack/stack-types.ts';
import type { Story } from './demo-story.ts';
import { createShown } from './shown-path.ts';

/** Where to look and what to type next; `from` is the folder in which the reader stands. */
export function toGuide(stack: Stack, story: Story, from: string): string {
  const shown = createShown(from);
  const tokenOf = (principal: string): string => shown(tokenFileOf(stack.layout, principal));
  const ofProduction = story.promotions.find(
    ({ promotion }) => promotion.environment.name === 'production',
  );
  const packet = ofProduction === undefined ? '' : shown(ofProduction.packetFile);
  return `
GraphQL explorer   ${stack.explorerUrl}
  in "Set Headers": Authorization = Bearer <content of ${tokenOf('viewer')}>
Temporal's web UI  ${stack.temporalUiUrl ?? '(not started)'}
data and logs      ${shown(stack.dataDir)}

To go on by hand, in another terminal:
  export SLUICE_API_URL=${stack.apiUrl}
  export SLUICE_TOKEN_FILE=${tokenOf('release-manager')}
  npx sluice doctor
  npx sluice promotion show ${findId(story, 'REVERTED') ?? 'staging/2'}
  npx sluice verify ${packet} --trust-root ${shown(story.trustRootFile)}

Ask for production, and let a second person decide:
  npx sluice promote production hello@1.0.0
  npx sluice promotion watch ${nextId(story, 'production')}
  SLUICE_TOKEN_FILE=${tokenOf('approver')} npx sluice approvals
  SLUICE_TOKEN_FILE=${tokenOf('approver')} npx sluice approve ${nextId(story, 'production')}

See who waits for an environment, and go back:
  npx sluice queue production
  SLUICE_TOKEN_FILE=${tokenOf('admin')} npx sluice rollback dev --to 1.2.0 --reason 'it runs here'

Promote a service of your own: docs/guides/promote-your-own-service.md`;
}

function findId(story: Story, state: string): string | undefined {
  return story.promotions.find(({ promotion }) => promotion.state === state)?.promotion.id;
}

function nextId(story: Story, environment: string): string {
  const numbers = story.promotions
    .filter(({ promotion }) => promotion.environment.name === environment)
    .map(({ promotion }) => Number(promotion.id.split('/')[1]));
  return `${environment}/${Math.max(0, ...numbers) + 1}`;
}
