import { relative } from 'node:path';
import { tokenFileOf } from '../stack/stack-secrets.ts';
import type { Stack } from '../stack/stack-types.ts';
import type { Story } from './demo-story.ts';

/** Where to look and what to type next; `from` is the folder in which the reader stands. */
export function toGuide(stack: Stack, story: Story, from: string): string {
  const shown = (path: string): string => quote(shorter(path, relative(from, path)));
  const [first] = story.promotions;
  const packet = first === undefined ? '' : shown(first.packetFile);
  return `
GraphQL explorer   ${stack.explorerUrl}
  in "Set Headers": Authorization = Bearer <content of ${shown(tokenFileOf(stack.layout, 'viewer'))}>
Temporal's web UI  ${stack.temporalUiUrl ?? '(not started)'}
the service        ${story.serviceUrl}
data and logs      ${shown(stack.dataDir)}

To go on by hand, in another terminal:
  export SLUICE_API_URL=${stack.apiUrl}
  export SLUICE_TOKEN_FILE=${shown(tokenFileOf(stack.layout, 'release-manager'))}
  npx sluice release list
  npx sluice release show hello@1.0.0
  npx sluice promotion request hello@1.0.0 dev
  npx sluice promotion show ${first?.promotion.id ?? 'dev/1'}
  npx sluice verify ${packet} --trust-root ${shown(story.trustRootFile)}
  npx sluice doctor`;
}

function shorter(path: string, relativePath: string): string {
  return relativePath !== '' && relativePath.length < path.length ? relativePath : path;
}

function quote(path: string): string {
  return /^[\w./@:-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
