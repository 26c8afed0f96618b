import { cutText, type Finding, type PackageRef, packageRef } from '@sluice/domain';

/** More images than this in one list of SBOMs are refused; a release has no more components. */
const MAX_IMAGES = 200;

/** The longest text of a document that is shown. UTF-16 units. */
const MAX_TEXT = 500;

/** A document of a scan that has another form than expected. */
export class ScanDocumentError extends Error {
  readonly code = 'scan-document-invalid';

  constructor(message: string) {
    super(message);
    this.name = 'ScanDocumentError';
  }
}

/** Digests of the SBOMs that a list of them names; undefined when the document is no list. */
export function listedSboms(document: unknown): readonly string[] | undefined {
  const list = asObject(document, 'The SBOM');
  if (list['schema'] !== 'sluice.sbom-list/v1') return undefined;
  const images = asList(list['images'], 'images');
  if (images.length > MAX_IMAGES) throw new ScanDocumentError(`${images.length} images are named.`);
  return images.map((image) => asText(asObject(image, 'image')['sbom'], 'sbom'));
}

/**
 * The packages that a CycloneDX document lists: its libraries, and whatever has a purl. Files and the operating system
 * itself are none.
 * @throws ScanDocumentError
 */
export function readPackages(document: unknown): readonly PackageRef[] {
  const sbom = asObject(document, 'The SBOM');
  if (sbom['bomFormat'] !== 'CycloneDX') throw new ScanDocumentError('The SBOM is no CycloneDX.');
  const components = asList(sbom['components'] ?? [], 'components');
  return components.flatMap((item) => {
    const { type, purl, group, name, version } = asObject(item, 'component');
    if (purl === undefined && type !== 'library' && type !== 'framework') return [];
    const plain = [group, name].filter((part) => typeof part === 'string' && part !== '').join('/');
    const ref = packageRef(
      typeof purl === 'string' ? purl : undefined,
      plain,
      typeof version === 'string' ? version : '',
    );
    if (ref === undefined) return [];
    return [{ name: cutText(ref.name, MAX_TEXT), version: cutText(ref.version, MAX_TEXT) }];
  });
}

/**
 * The findings of a scan (`sluice.findings/v1`) as they are compared.
 * @throws ScanDocumentError for another form: a finding that is not understood must not look like none
 */
export function readFindings(document: unknown): readonly Finding[] {
  const { schema, secrets, misconfigurations } = asObject(document, 'The findings');
  if (schema !== 'sluice.findings/v1') {
    throw new ScanDocumentError(`The findings are of the form ${String(schema)}.`);
  }
  return [
    ...asList(secrets, 'secrets').map((item) => readFinding(item, 'secret')),
    ...asList(misconfigurations, 'misconfigurations').map((item) =>
      readFinding(item, 'misconfiguration'),
    ),
  ];
}

function readFinding(item: unknown, kind: string): Finding {
  const { component, rule, severity, path, startLine, title } = asObject(item, kind);
  const line = typeof startLine === 'number' ? `:${startLine}` : '';
  return {
    kind,
    rule: asText(rule, 'rule'),
    severity: asText(severity, 'severity'),
    place: `${asText(component, 'component')}:${asText(path, 'path')}${line}`,
    title: asText(title, 'title'),
  };
}

function asObject(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new ScanDocumentError(`${what} is no object.`);
}

function asList(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new ScanDocumentError(`${what} is no list.`);
}

function asText(value: unknown, what: string): string {
  if (typeof value === 'string') return cutText(value, MAX_TEXT);
  throw new ScanDocumentError(`${what} is no text.`);
}
