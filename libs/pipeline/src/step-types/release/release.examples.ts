import type { StepTypeExamples } from '../step-type-manifest.ts';

const SHOP = { name: 'shop', kind: 'nix', digest: `sha256:${'8'.repeat(64)}`, version: '1.4.0' };

/** Examples of `release@1`. */
export const RELEASE_EXAMPLES: StepTypeExamples = {
  runs: [
    {
      inputs: { name: 'shop', version: '1.4.0', components: [SHOP] },
      outputs: { release: `sha256:${'e'.repeat(64)}`, name: 'shop', version: '1.4.0' },
    },
  ],
  refused: [
    {
      why: 'no components',
      path: 'components',
      inputs: { name: 'a', version: '1', components: [] },
    },
    {
      why: 'a component without digest',
      path: 'components[0].digest',
      inputs: { name: 'a', version: '1', components: [{ ...SHOP, digest: 'latest' }] },
    },
    {
      why: 'an unknown kind',
      path: 'components[0].kind',
      inputs: { name: 'a', version: '1', components: [{ ...SHOP, kind: 'jar' }] },
    },
    { why: 'no version', path: 'version', inputs: { name: 'a', components: [SHOP] } },
  ],
};
