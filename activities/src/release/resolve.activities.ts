import type { Component } from '@sluice/domain';
import {
  DEFAULT_IMAGE_LIMITS,
  type ImageLayout,
  isOciError,
  openLayout,
  type ResolvedImage,
} from '@sluice/oci';
import { findEvidence, findSource, type Pool, withTenant } from '@sluice/persistence';
import { FAILURES, type ReleaseActivities } from '@sluice/temporal-contract';
import { withHeartbeats } from '../activity-scope.ts';
import type { ActivityDependencies } from '../dependencies.ts';
import { recordBlobs, type StoredBlob } from '../evidence/stored-document.ts';
import { activityFailure, errorCodeOf, errorMessageOf } from '../failures.ts';
import { runActivity } from '../run-activity.ts';

type ResolveParts = Pick<
  ActivityDependencies,
  'pool' | 'evidence' | 'logger' | 'scope' | 'observe'
>;
type Answer = Awaited<ReturnType<ReleaseActivities['resolveComponent']>>;
type ComponentRequest = Parameters<ReleaseActivities['resolveComponent']>[0]['component'];

/** Bytes of all layers of one image together, as they are stored. */
const MAX_IMAGE_BYTES = 8 * 1024 * 1024 * 1024;

/** `resolveComponent`: a tag becomes a digest once, and the image goes into the evidence store, verified. */
export function createResolveActivities(
  parts: ResolveParts,
): Pick<ReleaseActivities, 'resolveComponent'> {
  return {
    resolveComponent: ({ tenantId, component }) =>
      runActivity(parts, 'resolveComponent', { tenantId }, (log, scope) =>
        withHeartbeats(scope, `resolve ${component.source}:${component.reference}`, async () => {
          const answer = await resolve(parts, tenantId, component, scope.cancellation);
          log.info({ component, answer }, answer.ok ? 'component resolved' : 'component refused');
          return answer;
        }),
      ),
  };
}

async function resolve(
  parts: ResolveParts,
  tenantId: string,
  request: ComponentRequest,
  cancellation: AbortSignal,
): Promise<Answer> {
  const source = await withTenant(parts.pool, tenantId, (tx) => findSource(tx, request.source));
  if (source === undefined) {
    return {
      ok: false,
      code: 'source-unknown',
      message:
        `Component ${request.name}: the configuration has no source ${request.source}. ` +
        'Use one that it has, or have it added.',
    };
  }
  // A client learns the source's name, never where it lies.
  const refuse = (code: string, message: string): Answer => ({
    ok: false,
    code,
    message: `Component ${request.name}: ${message.replaceAll(source.location, `source ${source.name}`)}`,
  });
  try {
    const layout = await openLayout(source.location);
    const resolved = await layout.resolve(request.reference);
    if (!resolved.ok) return refuse(resolved.refusal.code, resolved.refusal.message);
    const image = resolved.value;
    const total = image.manifest.layers.reduce((sum, { size }) => sum + size, 0);
    if (total > MAX_IMAGE_BYTES) {
      return refuse(
        'image-too-large',
        `image ${image.digest} has ${total} bytes of layers; at most ${MAX_IMAGE_BYTES} are taken.`,
      );
    }
    const blobs = await ingest(parts, tenantId, layout, image, cancellation);
    await withTenant(parts.pool, tenantId, (tx) => recordBlobs(tx, blobs));
    return { ok: true, component: componentOf(request, image.digest) };
  } catch (error) {
    if (isOciError(error)) return refuse(error.code, error.message);
    if (DIGEST_CODES.has(errorCodeOf(error) ?? '')) {
      return refuse('blob-digest-mismatch', errorMessageOf(error));
    }
    if (errorCodeOf(error) === 'ENOSPC') {
      throw activityFailure(
        FAILURES.unavailable,
        "The evidence store's disk is full: make room on the worker; it is tried again.",
        error,
      );
    }
    if (error instanceof Object && 'syscall' in error) {
      // Without the cause: its text names the path, and a client never learns where a source lies.
      throw activityFailure(
        FAILURES.unavailable,
        `Source ${source.name} cannot be read on the worker (${errorCodeOf(error) ?? 'system error'}): ` +
          'give its folder to the user of the worker; it is tried again.',
      );
    }
    throw error;
  }
}

const DIGEST_CODES: ReadonlySet<string> = new Set([
  'evidence-digest-mismatch',
  'evidence-too-large',
]);

/**
 * Configuration and layers first, the manifest last: who finds a manifest finds all that it names. What the store has already is taken from the
 * source all the same, unless it is this tenant's as the same: a source that only names a blob makes it nobody's.
 */
async function ingest(
  { evidence, pool }: ResolveParts,
  tenantId: string,
  layout: ImageLayout,
  image: ResolvedImage,
  cancellation: AbortSignal,
): Promise<readonly StoredBlob[]> {
  const blobs: StoredBlob[] = [];
  for (const { digest, mediaType, size } of [image.manifest.config, ...image.manifest.layers]) {
    cancellation.throwIfAborted();
    if (
      !(await isOwn(pool, tenantId, { digest, mediaType })) ||
      (await evidence.findSize(digest)) !== size
    ) {
      await evidence.put(layout.blobStream({ digest, size }), {
        expectedDigest: digest,
        maxBytes: Math.max(size, 1),
        signal: cancellation,
      });
    }
    blobs.push({ digest, mediaType, size });
  }
  const { digest, mediaType, manifestBytes } = image;
  const { maxManifestBytes } = DEFAULT_IMAGE_LIMITS;
  await evidence.put(manifestBytes, { expectedDigest: digest, maxBytes: maxManifestBytes });
  blobs.push({ digest, mediaType, size: manifestBytes.byteLength });
  return blobs;
}

async function isOwn(
  pool: Pool,
  tenantId: string,
  { digest, mediaType }: Pick<StoredBlob, 'digest' | 'mediaType'>,
): Promise<boolean> {
  const readOnly = { readOnly: true };
  const found = await withTenant(pool, tenantId, (tx) => findEvidence(tx, digest), readOnly);
  return found?.mediaType === mediaType;
}

function componentOf({ name, reference }: ComponentRequest, digest: string): Component {
  // A component asked for by digest is called by the digest's start: a version holds no colon.
  const version = reference.startsWith('sha256:') ? digest.slice(7, 19) : reference;
  return { name, kind: 'oci', digest, version };
}
