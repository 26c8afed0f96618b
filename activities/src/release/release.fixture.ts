import { type Component, composeRelease } from '@sluice/domain';
import { CLOSURE_MEDIA_TYPE, composeNixComponent, NIX_COMPONENT_MEDIA_TYPE } from '@sluice/nix';
import { insertEvidence, insertRelease, withTenant } from '@sluice/persistence';
import { canonicalJson, digestOf, digestOfBytes } from '@sluice/pure';
import { effectKey } from '../step/effect-key.ts';
import { type FixtureInputs, ONE_STEP, type StepFixture } from '../testing/step-fixture.ts';

const CLOSURE = digestOfBytes('closure of the fixture');
const documentOf = (narSize: number) =>
  composeNixComponent(
    {
      storePath: '/nix/store/0c5b7z3kq2m9v1x8y6w4r2n0s5d7f9g1-fixture',
      narHash: digestOfBytes('nar'),
      narSize,
    },
    { digest: CLOSURE, size: 300 },
  );
const DOCUMENTS = [documentOf(1), documentOf(2)];
const [KEPT = '', OTHER = ''] = DOCUMENTS.map((document) => digestOf(document));

/** `release@1` in its world: components that lie in the evidence store. */
export const RELEASE_FIXTURE: StepFixture = {
  type: 'release@1',
  open: async ({ tenantId, parts, scene }) => {
    await withTenant(parts.pool, tenantId, async (tx) => {
      await insertEvidence(tx, { digest: CLOSURE, mediaType: CLOSURE_MEDIA_TYPE, size: 300 });
      for (const document of DOCUMENTS) {
        const stored = await parts.evidence.put(canonicalJson(document), { maxBytes: 10_000 });
        await insertEvidence(tx, { ...stored, mediaType: NIX_COMPONENT_MEDIA_TYPE });
      }
      const taken = composeRelease('fixture', '9.0.0', [component('9.0.0', KEPT)]);
      if (taken.ok) await insertRelease(tx, { release: taken.value, createdBy: 'alice' });
    });
    return {
      parts: {},
      runs: [
        { name: 'of a component', inputs: making('2.0.0', KEPT), makesRelease: true },
        { name: 'the same again', inputs: making('2.0.0', KEPT), makesRelease: true },
      ],
      failures: [
        {
          name: 'a component that nobody built',
          inputs: making('3.0.0', digestOfBytes('nobody')),
          makesRelease: true,
          code: 'release-component-invalid',
        },
        {
          name: 'a version that other content has',
          inputs: making('9.0.0', OTHER),
          makesRelease: true,
          code: 'release-version-taken',
        },
      ],
      slow: null,
      effects: async () => {
        const made = await scene.database.query<{ promotion: string }>(
          `select promotion_id as promotion from sluice.events
            where type = 'release.created' and promotion_id is not null order by arrival`,
        );
        return made.map(({ promotion }) => effectKey(promotion, ONE_STEP));
      },
      close: async () => undefined,
    };
  },
};

function making(version: string, digest: string): FixtureInputs {
  return {
    name: 'fixture',
    version,
    components: [{ ...component(version, digest) }],
  };
}

function component(version: string, digest: string): Component {
  return { name: 'app', kind: 'nix', digest, version };
}
