/** The schema tag of the findings of one scan step. */
export const FINDINGS_SCHEMA = 'sluice.findings/v1';

/** Severities, worst first, as scanners name them. */
export const SEVERITIES = ['CRITICAL', 'HIGH', 'MEDIUM', 'LOW', 'UNKNOWN'] as const;

/** One of {@link SEVERITIES}. */
export type Severity = (typeof SEVERITIES)[number];

/** A secret that lies in a layer. What was matched is never kept. */
export interface SecretFinding {
  /** Name of the release's component. */
  readonly component: string;
  /** The scanner's stable rule id, such as `private-key`. */
  readonly rule: string;
  readonly title: string;
  readonly severity: Severity;
  /** Absolute path in the image. */
  readonly path: string;
  /** Digest of the layer; null when the scanner did not name it. */
  readonly layerDigest: string | null;
  /** From 1; null when the scanner did not name it. */
  readonly startLine: number | null;
}

/** A configuration file in the image, or the image's own configuration, that breaks a rule. */
export interface MisconfigurationFinding {
  readonly component: string;
  readonly rule: string;
  readonly title: string;
  readonly severity: Severity;
  readonly path: string;
  readonly message: string;
  readonly remedy: string;
  readonly startLine: number | null;
}

/** What a scan found, in Sluice's own normal form: sorted, without times, without what secrets match. */
export interface Findings {
  readonly schema: typeof FINDINGS_SCHEMA;
  readonly scanner: { readonly name: string; readonly version: string };
  readonly secrets: readonly SecretFinding[];
  readonly misconfigurations: readonly MisconfigurationFinding[];
  /** Packages in the images, counted as the scanner lists them. */
  readonly packages: number;
}

/** Joins the findings of a release's images into one sorted document. */
export function joinFindings(
  scanner: Findings['scanner'],
  parts: readonly Pick<Findings, 'secrets' | 'misconfigurations' | 'packages'>[],
): Findings {
  return {
    schema: FINDINGS_SCHEMA,
    scanner,
    secrets: sortedFindings(parts.flatMap((part) => part.secrets)),
    misconfigurations: sortedFindings(parts.flatMap((part) => part.misconfigurations)),
    packages: parts.reduce((sum, part) => sum + part.packages, 0),
  };
}

function sortedFindings<T extends SecretFinding | MisconfigurationFinding>(
  list: readonly T[],
): readonly T[] {
  const keyOf = (item: T): string =>
    [item.component, item.path, item.rule, String(item.startLine ?? 0).padStart(9, '0')].join(
      '\0',
    ) + JSON.stringify(item);
  return list
    .map((item) => ({ item, key: keyOf(item) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ item }) => item);
}
