import type { Component } from '@sluice/domain';
import {
  isNixError,
  MAX_NIX_COMPONENT_BYTES,
  NIX_COMPONENT_MEDIA_TYPE,
  parseNixComponent,
} from '@sluice/nix';
import { DEFAULT_IMAGE_LIMITS, isManifestType, isOciError, parseImageManifest } from '@sluice/oci';
import { findEvidence, findUnownedEvidence, type Pool, withTenant } from '@sluice/persistence';
import type { StepTypeParts } from '../step/capability-parts.ts';

type ContentParts = Pick<StepTypeParts, 'evidence'> & { readonly pool: Pool };

/**
 * Why a component cannot be released; undefined when it can. The component, and everything that its document names, must belong to the tenant:
 * whatever a release consists of is scanned, and handed to agents. A step of the pipeline may have written the document.
 */
export async function findComponentProblem(
  { pool, evidence }: ContentParts,
  tenantId: string,
  component: Component,
): Promise<string | undefined> {
  const { name, kind, digest } = component;
  const blob = await withTenant(pool, tenantId, (tx) => findEvidence(tx, digest), {
    readOnly: true,
  });
  if (blob === undefined) {
    const what =
      kind === 'nix'
        ? 'build it with build@1 in this pipeline'
        : 'make a release of its source first';
    return `Component ${name} (${kind}, ${digest}) is not in the evidence store: ${what}.`;
  }
  const { mediaType } = blob;
  const isNix = mediaType === NIX_COMPONENT_MEDIA_TYPE;
  if (isNix !== (kind === 'nix') || (kind === 'oci' && !isManifestType(mediaType))) {
    return `Component ${name} is said to be of kind ${kind}, and ${digest} is ${mediaType}: take the component as build@1 gives it, or an image of a source.`;
  }
  const named = await listNamedBlobs(evidence, component);
  if (typeof named === 'string') return named;
  const unowned = await withTenant(pool, tenantId, (tx) => findUnownedEvidence(tx, named), {
    readOnly: true,
  });
  if (unowned === undefined) return undefined;
  return `Component ${name} (${kind}, ${digest}) names ${unowned}, which is not in the evidence store: take the component as build@1 gives it, or an image of a source.`;
}

/** Digests that a component's document names, or what is wrong with it. */
async function listNamedBlobs(
  evidence: ContentParts['evidence'],
  { name, kind, digest }: Component,
): Promise<readonly string[] | string> {
  if (kind !== 'nix' && kind !== 'oci') return [];
  const maxBytes = kind === 'nix' ? MAX_NIX_COMPONENT_BYTES : DEFAULT_IMAGE_LIMITS.maxManifestBytes;
  try {
    const document = await evidence.getBytes(digest, { maxBytes });
    if (kind === 'nix') return [parseNixComponent(document, digest).closure.digest];
    const { config, layers } = parseImageManifest(document, digest);
    return [config.digest, ...layers.map((layer) => layer.digest)];
  } catch (error) {
    if (!isNixError(error) && !isOciError(error)) throw error;
    return `Component ${name} (${kind}, ${digest}) is none: ${error.message}`;
  }
}
