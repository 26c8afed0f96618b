import type { Finding, PackageRef } from '@sluice/domain';
import type { EvidenceStore } from '@sluice/evidence-store';
import type { Logger } from '@sluice/observability';
import { listedSboms, readFindings, readPackages } from './scan-documents.ts';

/** Largest documents of one release that are read to show a difference, together. Bytes. */
export const MAX_SCAN_BYTES = 32 * 1024 * 1024;

/** What is remembered of documents read before, at most. Packages and findings. */
const MAX_REMEMBERED = 200_000;

/** Documents that are read and parsed at the same time. */
const MAX_AT_ONCE = 2;

/** Reads what scans left, for people to look at. Null where it can't be had: that is logged, and never an error. */
export interface ScanReader {
  /** @param digest of an SBOM, or of a list of them */
  packages(digest: string, log: Logger): Promise<readonly PackageRef[] | null>;
  findings(digest: string, log: Logger): Promise<readonly Finding[] | null>;
}

/** A reader that remembers the newest documents, for what a digest names never changes. */
export function createScanReader(
  evidence: Pick<EvidenceStore, 'getBytes'>,
  maxBytes = MAX_SCAN_BYTES,
): ScanReader {
  const inTurn = createTurns(MAX_AT_ONCE);
  const readJson = async (digest: string, budget: { left: number }): Promise<unknown> => {
    const bytes = await evidence.getBytes(digest, { maxBytes: budget.left });
    budget.left -= bytes.byteLength;
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  };
  const allPackages = async (digest: string): Promise<readonly PackageRef[]> => {
    const budget = { left: maxBytes };
    const document = await readJson(digest, budget);
    const listed = listedSboms(document);
    if (listed === undefined) return readPackages(document);
    const packages: PackageRef[] = [];
    for (const sbom of listed) {
      for (const found of readPackages(await readJson(sbom, budget))) packages.push(found);
    }
    return packages;
  };
  const packages = remembered((digest) => inTurn(() => allPackages(digest)));
  const findings = remembered((digest) =>
    inTurn(async () => readFindings(await readJson(digest, { left: maxBytes }))),
  );
  return {
    packages: (digest, log) => orNull(packages(digest), digest, log),
    findings: (digest, log) => orNull(findings(digest), digest, log),
  };
}

async function orNull<T>(reading: Promise<T>, digest: string, log: Logger): Promise<T | null> {
  try {
    return await reading;
  } catch (error) {
    log.warn({ err: error, digest }, 'what a scan left cannot be shown');
    return null;
  }
}

/** Keeps the newest answers, by their length; a failure is not kept. */
function remembered<T>(
  read: (digest: string) => Promise<readonly T[]>,
): (digest: string) => Promise<readonly T[]> {
  const lists = new Map<string, readonly T[]>();
  const underWay = new Map<string, Promise<readonly T[]>>();
  let size = 0;
  const load = async (digest: string): Promise<readonly T[]> => {
    try {
      const list = await read(digest);
      lists.set(digest, list);
      size += list.length + 1;
      for (const [oldest, { length }] of lists) {
        if (size <= MAX_REMEMBERED) break;
        lists.delete(oldest);
        size -= length + 1;
      }
      return list;
    } finally {
      underWay.delete(digest);
    }
  };
  return (digest) => {
    const known = lists.get(digest);
    if (known !== undefined) {
      lists.delete(digest);
      lists.set(digest, known);
      return Promise.resolve(known);
    }
    const reading = underWay.get(digest) ?? load(digest);
    underWay.set(digest, reading);
    return reading;
  };
}

/** Lets so many run at once; the others wait for their turn. */
function createTurns(count: number): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    // Whoever ends hands its turn over, so that nobody comes between.
    if (running >= count) await new Promise<void>((go) => waiting.push(go));
    else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
