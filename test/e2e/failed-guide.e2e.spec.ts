import { join } from 'node:path';
import { describe } from '@jest/globals';
import { copyCheckout, GIT_IDENTITY } from '../support/copied-checkout.ts';
import { testGuide } from '../support/guide-run.ts';

describe('the guide "A promotion failed: what now?", block by block', () => {
  testGuide({
    file: 'docs/guides/a-promotion-failed.md',
    ports: [17090, 18090],
    dataDir: 'stuck/control-plane',
    // The guide makes branches: not in the repository that is worked in.
    prepare: async (home) => {
      const checkout = join(home, 'sluice');
      await copyCheckout(checkout);
      return { checkout, env: GIT_IDENTITY };
    },
  });
});
