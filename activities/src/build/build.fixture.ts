import { join } from 'node:path';
import { getNix } from '@sluice/nix';
import { HOST_PROGRAMS } from '@sluice/nix/testing';
import type { FixtureInputs, StepFixture } from '../testing/step-fixture.ts';

/** `build@1` in its world: the Nix of this machine (on PATH), with a store of its own. */
export const BUILD_FIXTURE: StepFixture = {
  type: 'build@1',
  open: async ({ folder }) => ({
    parts: {
      nix: await getNix({
        scratch: join(folder, 'scratch'),
        store: { kind: 'own', folder: join(folder, 'nix') },
        graceMs: 1000,
        settings: HOST_PROGRAMS,
      }),
    },
    runs: [
      { name: 'an expression', inputs: building('echo hello > $out') },
      { name: 'another one', inputs: building('mkdir -p $out/bin; echo two > $out/bin/start') },
    ],
    failures: [
      { name: 'a builder that fails', inputs: building('exit 3'), code: 'build-failed' },
      {
        name: 'an expression that throws',
        inputs: { component: 'hello', version: '1', expression: 'throw "no such thing"' },
        code: 'build-evaluation-failed',
      },
    ],
    slow: { name: 'a builder that never ends', inputs: building('while :; do sleep 1; done') },
    close: async () => undefined,
  }),
};

/** A derivation that needs nothing but a shell. */
function building(script: string): FixtureInputs {
  const derivation = `derivation { name = "hello"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" ${JSON.stringify(`PATH=/usr/bin:/bin; ${script}`)} ]; }`;
  return {
    component: 'hello',
    version: '1',
    expression: `{ one = ${derivation}; }`,
    attribute: 'one',
  };
}
