import type { Component } from '@sluice/domain';
import type { EvidenceStore } from '@sluice/evidence-store';
import {
  isNixError,
  MAX_NIX_COMPONENT_BYTES,
  NIX_COMPONENT_MEDIA_TYPE,
  type NixComponent,
  parseNixComponent,
} from '@sluice/nix';
import { findEvidence, type Pool, withTenant } from '@sluice/persistence';
import { errorCodeOf } from '../failures.ts';
import type { HeldClosure } from './gate-input.ts';

/** A component without which a closure is none: what is asked for again will not be there either. */
const ABSENT_CODES: ReadonlySet<string> = new Set([
  'evidence-not-found',
  'evidence-too-large',
  'evidence-corrupt',
]);

/**
 * The closures of a release's store paths that the records and the evidence store hold, sorted by component; undefined where the
 * release has none such. One that is not held, or whose document is not what its digest says, is left out: the policy then denies.
 */
export async function listHeldClosures(
  { pool, evidence }: { readonly pool: Pool; readonly evidence: EvidenceStore },
  tenantId: string,
  components: readonly Component[],
): Promise<readonly HeldClosure[] | undefined> {
  const built = components.filter(({ kind }) => kind === 'nix');
  if (built.length === 0) return undefined;
  const held: HeldClosure[] = [];
  for (const { name, digest } of built) {
    const document = await findDocument(evidence, digest);
    if (document === undefined) continue;
    const { closure, storePath, narHash, narSize } = document;
    const rows = await withTenant(
      pool,
      tenantId,
      async (tx) => ({
        component: await findEvidence(tx, digest),
        closure: await findEvidence(tx, closure.digest),
      }),
      { readOnly: true },
    );
    const isRecorded =
      rows.component?.mediaType === NIX_COMPONENT_MEDIA_TYPE &&
      rows.closure?.mediaType === closure.mediaType &&
      rows.closure.size === closure.size;
    if (!isRecorded || (await evidence.findSize(closure.digest)) !== closure.size) continue;
    held.push({
      component: name,
      digest,
      storePath,
      narHash,
      narSize,
      closure: closure.digest,
      closureSize: closure.size,
    });
  }
  return held.sort((a, b) => (a.component < b.component ? -1 : 1));
}

async function findDocument(
  evidence: EvidenceStore,
  digest: string,
): Promise<NixComponent | undefined> {
  try {
    const bytes = await evidence.getBytes(digest, { maxBytes: MAX_NIX_COMPONENT_BYTES });
    return parseNixComponent(bytes, digest);
  } catch (error) {
    if (isNixError(error) || ABSENT_CODES.has(errorCodeOf(error) ?? '')) return undefined;
    throw error;
  }
}
