import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Component, isNothing, PREDICATE_TYPES } from '@sluice/domain';
import { findUnownedEvidence, getRelease, withTenant } from '@sluice/persistence';
import { FAILURES } from '@sluice/temporal-contract';
import { ApplicationFailure } from '@temporalio/common';
import { withHeartbeats } from '../activity-scope.ts';
import type { ActivityDependencies } from '../dependencies.ts';
import { recordStatement, signStatement, statementContext } from '../evidence/statement-signing.ts';
import { putDocument, recordBlobs, type StoredBlob } from '../evidence/stored-document.ts';
import { activityFailure } from '../failures.ts';
import { releaseNotMade } from '../release/release-not-made.ts';
import { makeStepFolder } from '../step/step-folder.ts';
import {
  failedResult,
  type StepOutcome,
  type StepRun,
  type StepType,
  succeededResult,
} from '../step/step-type.ts';
import { joinFindings } from './findings.ts';
import { materialiseLayout, readStoredImage } from './image-blobs.ts';
import type { ImageScan } from './image-scanner.ts';
import { countComponents } from './sbom-normal-form.ts';

const MEDIA_TYPES = {
  report: 'application/vnd.sluice.scan-report+json',
  sbom: 'application/vnd.cyclonedx+json',
  findings: 'application/vnd.sluice.findings+json',
} as const;

/** Milliseconds. */
const END_RESERVE_MS = 3000;

const SCANNER_ATTEMPTS = 3;

interface ScannedImage {
  readonly component: Component;
  readonly scan: ImageScan;
  readonly report: StoredBlob;
  readonly sbom: StoredBlob;
}

type ScanParts = Pick<ActivityDependencies, 'pool' | 'evidence' | 'signer' | 'scanner'>;

/**
 * `scan@1`: every image of the release is scanned as it lies in the evidence store. Outputs: `findings` (of all
 * images), `report` and `sbom`; with several images those two are lists of each image's digest.
 */
export function createScanStep(parts: ScanParts): StepType {
  return {
    type: 'scan',
    version: 1,
    run: (run) =>
      withHeartbeats(run.scope, `scan ${run.promotion.releaseDigest}`, () => scan(parts, run)),
  };
}

async function scan(parts: ScanParts, run: StepRun): Promise<StepOutcome> {
  const { input, promotion } = run;
  const { tenantId, promotionId } = input.promotion;
  const release = await withTenant(parts.pool, tenantId, (tx) =>
    getRelease(tx, promotion.releaseDigest),
  );
  if (isNothing(release.body)) return { result: releaseNotMade(promotionId) };
  const foreign = release.body.components.find(({ kind }) => kind !== 'oci');
  if (foreign !== undefined) {
    return {
      result: failedResult(
        'component-kind-unsupported',
        `Component ${foreign.name} is of kind ${foreign.kind}: scan@1 looks into oci images only. ` +
          'Take it out of the release, or use a pipeline that scans it.',
      ),
    };
  }
  const images: ScannedImage[] = [];
  for (const component of release.body.components) {
    images.push(
      await scanImage(parts, component, run).catch((error) => assertWorthRetrying(error, run)),
    );
  }
  const scanner = images[0]?.scan.scanner ?? { name: 'none', version: '0' };
  const findings = joinFindings(
    scanner,
    images.map(({ scan: found }) => found),
  );
  const findingsBlob = await putDocument(parts.evidence, findings, MEDIA_TYPES.findings);
  const reportBlob = await joinBlobs(parts, images, 'report');
  const sbomBlob = await joinBlobs(parts, images, 'sbom');
  const signed = await signStatement(
    parts.signer,
    tenantId,
    statementContext(promotionId, release),
    PREDICATE_TYPES.scan,
    {
      scanner,
      findings: findingsBlob.digest,
      secrets: findings.secrets.length,
      misconfigurations: findings.misconfigurations.length,
      packages: findings.packages,
      images: images.map(({ component, report, sbom }) => ({
        component: component.name,
        digest: component.digest,
        report: report.digest,
        sbom: sbom.digest,
      })),
    },
  );
  const blobs = [...images.flatMap(({ report, sbom }) => [report, sbom]), reportBlob, sbomBlob];
  run.log.info(
    { secrets: findings.secrets.length, packages: findings.packages, images: images.length },
    'scanned',
  );
  return {
    result: succeededResult({
      findings: findingsBlob.digest,
      report: reportBlob.digest,
      sbom: sbomBlob.digest,
    }),
    record: async (tx) => {
      await recordBlobs(tx, [...blobs, findingsBlob]);
      await recordStatement(tx, promotionId, signed, { stepId: input.stepId });
    },
  };
}

async function scanImage(
  { evidence, scanner, pool }: ScanParts,
  component: Component,
  run: StepRun,
): Promise<ScannedImage> {
  const { scope } = run;
  const folder = await makeStepFolder('scan');
  try {
    const layout = join(folder, 'image');
    const scratch = join(folder, 'scratch');
    await mkdir(layout);
    await mkdir(scratch);
    const image = await readStoredImage(evidence, component.digest);
    const { tenantId } = run.input.promotion;
    const blobs = [image.config, ...image.layers].map(({ digest }) => digest);
    const foreign = await withTenant(pool, tenantId, (tx) => findUnownedEvidence(tx, blobs), {
      readOnly: true,
    });
    if (foreign !== undefined) throw notOwned(component, foreign);
    await materialiseLayout(evidence, image, layout, scope.cancellation);
    const scanned = await scanner.scan(
      {
        component: component.name,
        digest: component.digest,
        createdAt: image.createdAt,
        layout,
        scratch,
        timeoutMs: assertTimeLeft(run),
      },
      scope.cancellation,
    );
    return {
      component,
      scan: scanned,
      report: await putDocument(evidence, scanned.report, MEDIA_TYPES.report),
      sbom: await putDocument(evidence, scanned.sbom, MEDIA_TYPES.sbom),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What another tenant put into the store is not looked into, whatever names it. */
function notOwned({ name, digest }: Component, foreign: string): Error {
  return activityFailure(
    FAILURES.integrity,
    `Component ${name} (${digest}) names ${foreign}, which is not in this tenant's evidence: make a release of its source again.`,
  );
}

/**
 * Milliseconds until the step's deadline, less what ending the scanner's processes by force takes: none of them
 * must outlive the step.
 */
function remainingMs({ scope, rules }: StepRun): number {
  const wholeMs = rules.deadlines.scanSeconds * 1000;
  const until = scope.deadline ?? Date.now() + wholeMs;
  return until - Math.min(END_RESERVE_MS, wholeMs / 2) - Date.now();
}

function assertTimeLeft(run: StepRun): number {
  const left = remainingMs(run);
  if (left > 0) return left;
  throw activityFailure(
    FAILURES.scannerFailed,
    `No time is left to scan: the step's ${run.rules.deadlines.scanSeconds} s have nearly passed. ` +
      "Look at the worker's log for what took it, then promote again.",
  );
}

/** A scanner that fails every time, or hangs, is named as what it is, not as a deadline that passed. */
function assertWorthRetrying(error: unknown, run: StepRun): never {
  const { type, message } = error as { readonly type?: unknown; readonly message: string };
  const isLast = run.scope.attempt >= SCANNER_ATTEMPTS || remainingMs(run) <= 0;
  if (type !== FAILURES.scannerFailed || !isLast) throw error;
  throw ApplicationFailure.create({ type: FAILURES.scannerFailed, message, nonRetryable: true });
}

/** The one document of a single image, or a list that names each image's by digest. */
async function joinBlobs(
  { evidence }: ScanParts,
  images: readonly ScannedImage[],
  kind: 'report' | 'sbom',
): Promise<StoredBlob> {
  const [only] = images;
  if (images.length === 1 && only !== undefined) return only[kind];
  return putDocument(
    evidence,
    {
      schema: `sluice.${kind}-list/v1`,
      images: images.map((image) => ({
        component: image.component.name,
        digest: image.component.digest,
        [kind]: image[kind].digest,
        components: countComponents(image.scan.sbom),
      })),
    },
    `application/vnd.sluice.${kind}-list+json`,
  );
}
