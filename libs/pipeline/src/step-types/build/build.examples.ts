import type { StepTypeExamples } from '../step-type-manifest.ts';

const NAR_HASH = `sha256:${'8'.repeat(64)}`;
const DOCUMENT = `sha256:${'7'.repeat(64)}`;

/** Examples of `build@1`. */
export const BUILD_EXAMPLES: StepTypeExamples = {
  runs: [
    {
      inputs: {
        flake: 'git+https://git.example/shop?rev=0123456789abcdef0123456789abcdef01234567',
        attribute: 'packages.x86_64-linux.shop',
        component: 'shop',
        version: '1.4.0',
      },
      outputs: {
        storePath: '/nix/store/0c5b7z3kq2m9v1x8y6w4r2t0s5d7f9g1-shop-1.4.0',
        narHash: NAR_HASH,
        narSize: 48_312,
        closure: `sha256:${'9'.repeat(64)}`,
        component: { name: 'shop', kind: 'nix', digest: DOCUMENT, version: '1.4.0' },
      },
    },
    {
      inputs: {
        expression: '(import ./release.nix {}).worker',
        component: 'worker',
        version: '7',
      },
      outputs: {
        storePath: '/nix/store/1d6c8a4lr3n0w2y9z7x5s3u1t6e8h0j2-worker',
        narHash: NAR_HASH,
        narSize: 120,
        closure: `sha256:${'9'.repeat(64)}`,
        component: { name: 'worker', kind: 'nix', digest: DOCUMENT, version: '7' },
      },
    },
  ],
  refused: [
    { why: 'nothing to build', path: '', inputs: { component: 'shop', version: '1.4.0' } },
    {
      why: 'two things to build',
      path: 'expression',
      inputs: { flake: 'path:.', expression: '{}', component: 'shop', version: '1.4.0' },
    },
    { why: 'no component to make of it', path: 'component', inputs: { flake: '.', version: '1' } },
    {
      why: 'no name of a component',
      path: 'component',
      inputs: { flake: '.', component: 'Shop', version: '1' },
    },
  ],
};
