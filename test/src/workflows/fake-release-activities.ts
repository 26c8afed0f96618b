import { digestOf } from '@sluice/pure';
import type { ReleaseActivities } from '@sluice/temporal-contract';

/** Activities of `resolveRelease` that find every component, but for what a caller overrides. */
export function createFakeReleaseActivities(
  override: Partial<ReleaseActivities> = {},
): ReleaseActivities {
  return {
    resolveComponent: async ({ component: { name, reference } }) => ({
      ok: true,
      component: { name, kind: 'oci', digest: digestOf(name), version: reference },
    }),
    recordRelease: async ({ components }) => ({ ok: true, releaseDigest: digestOf(components) }),
    refuseRelease: async () => undefined,
    ...override,
  };
}
