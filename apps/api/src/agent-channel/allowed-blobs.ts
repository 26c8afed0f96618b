import type { Component } from '@sluice/domain';
import type { EvidenceStore } from '@sluice/evidence-store';
import { MAX_NIX_COMPONENT_BYTES, parseNixComponent } from '@sluice/nix';
import { DEFAULT_IMAGE_LIMITS, parseImageManifest } from '@sluice/oci';
import {
  hasEvidence,
  listCommandedReleases,
  listReleasesByDigest,
  type Pool,
  type ReleaseRecord,
  withTenant,
} from '@sluice/persistence';

const MAX_REMEMBERED_RELEASES = 500;

/**
 * Says which blobs an agent may fetch: those of releases that commands to its target named, and of those only what belongs to its tenant. What a
 * manifest names without holding it is handed to nobody.
 */
export interface AllowedBlobs {
  isAllowed(tenantId: string, target: string, digest: string): Promise<boolean>;
}

/** Blobs of a release never change, so what a release consists of is computed once and remembered. */
export function createAllowedBlobs(pool: Pool, evidence: EvidenceStore): AllowedBlobs {
  const remembered = new Map<string, ReadonlySet<string>>();

  /** Undefined while a manifest is not in the store: nothing can be allowed by it then. */
  async function blobsOf(release: ReleaseRecord): Promise<ReadonlySet<string> | undefined> {
    const known = remembered.get(release.releaseDigest);
    if (known !== undefined) return known;
    const digests = new Set<string>();
    for (const component of release.body.components) {
      const found = await findBlobsOfComponent(evidence, component);
      if (found === undefined) return undefined;
      for (const digest of found) digests.add(digest);
    }
    const oldest = remembered.keys().next().value;
    if (remembered.size >= MAX_REMEMBERED_RELEASES && oldest !== undefined) {
      remembered.delete(oldest);
    }
    remembered.set(release.releaseDigest, digests);
    return digests;
  }

  return {
    async isAllowed(tenantId, target, digest) {
      const releases = await withTenant(
        pool,
        tenantId,
        async (tx) =>
          (await hasEvidence(tx, digest))
            ? listReleasesByDigest(tx, await listCommandedReleases(tx, target))
            : [],
        { readOnly: true },
      );
      for (const release of releases) {
        if ((await blobsOf(release))?.has(digest) === true) return true;
      }
      return false;
    },
  };
}

/** Undefined while its document is not in the store. */
async function findBlobsOfComponent(
  evidence: EvidenceStore,
  { kind, digest }: Component,
): Promise<readonly string[] | undefined> {
  if (kind !== 'oci' && kind !== 'nix') return [digest];
  if (!(await evidence.has(digest))) return undefined;
  if (kind === 'nix') {
    const document = await evidence.getBytes(digest, { maxBytes: MAX_NIX_COMPONENT_BYTES });
    return [digest, parseNixComponent(document, digest).closure.digest];
  }
  const maxBytes = DEFAULT_IMAGE_LIMITS.maxManifestBytes;
  const manifest = parseImageManifest(await evidence.getBytes(digest, { maxBytes }), digest);
  return [digest, manifest.config.digest, ...manifest.layers.map((layer) => layer.digest)];
}
