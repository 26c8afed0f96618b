import { join } from 'node:path';
import type { EvidenceStore } from '@sluice/evidence-store';
import { openLayout, packLayer, writeLayout } from '@sluice/oci';
import { insertEvidence, withTenant } from '@sluice/persistence';
import type { StepFixture, StepFixtureRoom } from '../testing/step-fixture.ts';
import type { ImageScanner } from './image-scanner.ts';
import { runProgram } from './run-program.ts';

/** Finds nothing, in whatever image, when the program that it runs has ended. */
function scannerOf(seconds: () => number): ImageScanner {
  return {
    scan: async ({ digest, scratch }, cancellation) => {
      await runProgram({
        ...{ file: '/bin/sleep', args: [`${seconds()}`], cwd: scratch, env: {} },
        ...{ timeoutMs: 100_000, maxOutputBytes: 1000, cancellation },
      });
      return {
        scanner: { name: 'fixture', version: '1' },
        secrets: [],
        misconfigurations: [],
        packages: 1,
        report: { about: digest },
        sbom: { bomFormat: 'CycloneDX', components: [{ name: 'app' }] },
      };
    },
  };
}

/** `scan@1` in its world: every image of a release is one that lies in the evidence store. */
export const SCAN_FIXTURE: StepFixture = {
  type: 'scan@1',
  open: async ({ folder, parts, tenantId }) => {
    let seconds = 0;
    return {
      parts: {
        scanner: scannerOf(() => seconds),
        evidence: await withImage(parts, tenantId, join(folder, 'layout')),
      },
      runs: [{ name: 'an image', inputs: {} }],
      failures: [
        {
          name: 'no release yet',
          inputs: {},
          makesRelease: true,
          code: 'release-not-made',
        },
      ],
      slow: { name: 'a scanner that hangs', inputs: {} },
      before: async (_promotionId, { name }) => {
        seconds = name === 'a scanner that hangs' ? 60 : 0;
      },
      close: async () => undefined,
    };
  },
};

/** A store in which everything that is not there is the manifest of one image that is. */
async function withImage(
  { evidence, pool }: StepFixtureRoom['parts'],
  tenantId: string,
  folder: string,
): Promise<EvidenceStore> {
  const layer = await packLayer([{ type: 'file', path: 'app', content: 'hello' }]);
  await writeLayout(folder, [{ tag: '1', layers: [layer], cmd: ['app'] }]);
  const layout = await openLayout(folder);
  const resolved = await layout.resolve('1');
  if (!resolved.ok) throw new Error(resolved.refusal.message);
  const { manifest, manifestBytes } = resolved.value;
  for (const { digest, size, mediaType } of [manifest.config, ...manifest.layers]) {
    await evidence.put(layout.blobStream({ digest, size }), {
      expectedDigest: digest,
      maxBytes: Math.max(size, 1),
    });
    await withTenant(pool, tenantId, (tx) => insertEvidence(tx, { digest, size, mediaType }));
  }
  return {
    ...evidence,
    getBytes: async (digest, options) =>
      (await evidence.has(digest)) ? evidence.getBytes(digest, options) : manifestBytes,
  };
}
