import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { EvidenceStore } from '@sluice/evidence-store';
import { findBundle, keepBundle, type Pool } from '@sluice/persistence';
import type { WorkflowCode } from './workflow-code.ts';

const compress = promisify(gzip);

/** Bytes of a gzipped bundle at most. */
const MAX_BUNDLE_BYTES = 64 * 1024 * 1024;

/**
 * Keeps the code that this worker runs, gzipped, in the evidence store, so that histories can be replayed against it when
 * nobody runs it any more. Code that is kept already is left alone.
 * @param pool of the role sluice_worker
 * @returns false when it was kept before
 */
export async function keepWorkflowCode(
  pool: Pool,
  evidence: Pick<EvidenceStore, 'put' | 'has'>,
  { digest: bundleDigest, buildId, readCode }: Omit<WorkflowCode, 'bundle'>,
): Promise<boolean> {
  const kept = await findBundle(pool, bundleDigest);
  if (kept !== undefined && (await evidence.has(kept.contentDigest))) return false;
  const code = Buffer.from(await readCode());
  const packed = await compress(code, { level: 9 });
  const { digest: contentDigest } = await evidence.put(packed, { maxBytes: MAX_BUNDLE_BYTES });
  const size = code.byteLength;
  return keepBundle(pool, {
    bundleDigest,
    buildId,
    sdkVersion: readSdkVersion(),
    contentDigest,
    size,
  });
}

function readSdkVersion(): string {
  const require = createRequire(import.meta.url);
  return (require('@temporalio/worker/package.json') as { readonly version: string }).version;
}
