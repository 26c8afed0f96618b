import { queryStack } from '../../promotion-checks.ts';
import { standsInRecords } from '../stands-in-records.ts';
import { isCancelling, type StepStory } from '../step-story.ts';

const versionOf = (turn: number): string => `0.${turn}.0`;

const RELEASE: StepStory = {
  ...standsInRecords('make'),
  name: 'release',
  type: 'release@1',
  parameters: ['digest', 'version'],
  steps: () => [
    {
      id: 'make',
      type: 'release@1',
      inputs: {
        name: 'made',
        version: { ref: 'parameters.version' },
        components: {
          cel: '[{"name": "app", "kind": "oci", "digest": parameters.digest, "version": parameters.version}]',
        },
      },
    },
  ],
  needs: [],
  request: ({ releases }, turn) => ({
    parameters: { digest: releases.good[0]?.image ?? '', version: versionOf(turn) },
  }),
  findProblems: async ({ made }, promotion, fault) => {
    const version = versionOf(Number(promotion.split('/')[1]));
    const releases = await queryStack(
      made.stack,
      `select from sluice.releases where name = 'made' and version = $1`,
      [version],
    );
    const events = await queryStack(
      made.stack,
      `select from sluice.events where promotion_id = $1 and type = 'release.created'`,
      [promotion],
    );
    // A promotion that was cancelled meanwhile may have made it, or not.
    const isSure = !isCancelling(fault);
    const isGood = releases.length === events.length && releases.length <= 1;
    return isGood && (!isSure || releases.length === 1)
      ? []
      : [`it made ${releases.length} releases and told of ${events.length}`];
  },
};

/** Stories about `release@1`. */
export const RELEASE_STORIES: readonly StepStory[] = [RELEASE];
