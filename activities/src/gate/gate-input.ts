import type { Release, RolloutStrategy } from '@sluice/domain';
import type { Findings } from '../scan/findings.ts';
import { countComponents } from '../scan/sbom-normal-form.ts';

/** The schema tag of what a release gate is asked. */
export const GATE_INPUT_SCHEMA = 'sluice.gate-input/v1';

/**
 * What a policy is asked with. A value that is not there is left out: the policy denies with
 * `input-missing:<name>`, it never takes silence for a good answer.
 */
export interface GateInput {
  readonly schema: typeof GATE_INPUT_SCHEMA;
  readonly tenantId: string;
  readonly promotionId: string;
  readonly environment: string;
  readonly release: Release & { readonly digest: string };
  /** RFC 3339: when the workflow scheduled the gate. */
  readonly evaluatedAt: string;
  readonly findings?: Findings & { readonly digest: string };
  readonly sbom?: { readonly digest: string; readonly components: number };
  /** Of the release's store paths; absent where it has none. */
  readonly closures?: readonly HeldClosure[];
  /** The stage of a rollout that is to begin; absent where the promotion itself is judged. */
  readonly stage?: StageFacts;
}

/** What a policy is told of a stage. */
export interface StageFacts {
  /** Id of the rollout's step. */
  readonly step: string;
  /** From 0. */
  readonly index: number;
  readonly name: string;
  readonly strategy: RolloutStrategy;
  /** Targets that have the release once it is deployed, and all. */
  readonly reach: number;
  readonly targets: number;
  /** Share of the requests that it is to have; null where none are moved. */
  readonly permille: number | null;
}

/** The closure of a component of kind `nix`, as records and evidence store hold it. */
export interface HeldClosure {
  readonly component: string;
  /** The component's: of its document. */
  readonly digest: string;
  readonly storePath: string;
  readonly narHash: string;
  /** Bytes. */
  readonly narSize: number;
  /** Digest of the archive. */
  readonly closure: string;
  /** Bytes of the archive. */
  readonly closureSize: number;
}

/** Parts of a {@link GateInput} that come from the records. */
export type GateFacts = Omit<GateInput, 'schema' | 'findings' | 'sbom' | 'closures' | 'stage'>;

/** A document that a scan made, with its digest. */
export interface ScanDocument {
  readonly digest: string;
  readonly document: unknown;
}

/** Puts the input together in its one shape. */
export function composeGateInput(
  facts: GateFacts,
  findings: ScanDocument | undefined,
  sbom: ScanDocument | undefined,
  closures?: readonly HeldClosure[],
  stage?: StageFacts,
): GateInput {
  return {
    schema: GATE_INPUT_SCHEMA,
    ...facts,
    ...(findings === undefined
      ? {}
      : { findings: { ...(findings.document as Findings), digest: findings.digest } }),
    ...(sbom === undefined
      ? {}
      : { sbom: { digest: sbom.digest, components: countAll(sbom.document) } }),
    ...(closures === undefined ? {} : { closures }),
    ...(stage === undefined ? {} : { stage }),
  };
}

/**
 * Digest of the one output of this name that the needed scans hand over; undefined when none or several do. What another step calls its
 * output is no scan's word.
 * @param scans ids of the pipeline's steps that scan
 */
export function findInputDigest(
  inputDigests: Readonly<Record<string, string>>,
  scans: ReadonlySet<string>,
  output: string,
): string | undefined {
  const found = Object.entries(inputDigests).filter(([name]) => {
    const dot = name.indexOf('.');
    return name.slice(dot + 1) === output && scans.has(name.slice(0, dot));
  });
  return found.length === 1 ? found[0]?.[1] : undefined;
}

function countAll(document: unknown): number {
  const images = (document as { images?: unknown }).images;
  if (!Array.isArray(images)) return countComponents(document);
  return images.reduce<number>(
    (sum, image) => sum + Number((image as { components?: unknown }).components ?? 0),
    0,
  );
}
