import { cutText } from '@sluice/domain';
import {
  type MisconfigurationFinding,
  SEVERITIES,
  type SecretFinding,
  type Severity,
} from './findings.ts';

type Json = Record<string, unknown>;

/** What a trivy report of one image says, and the report itself without times and secrets. */
export interface TrivyReading {
  readonly secrets: readonly SecretFinding[];
  readonly misconfigurations: readonly MisconfigurationFinding[];
  readonly packages: number;
  readonly report: Json;
}

/** A report that is none: not JSON, another schema version, or a field of another shape. */
export class ReportError extends Error {
  readonly code = 'report-invalid';

  constructor(message: string) {
    super(message);
    this.name = 'ReportError';
  }
}

/**
 * Reads trivy's JSON report (schema version 2) of one image strictly: a field of another shape than
 * expected is an error, for a finding that is not understood must never count as no finding.
 * @param component name of the release's component, which stands in every finding
 * @throws ReportError
 */
export function readTrivyReport(text: string, component: string): TrivyReading {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw new ReportError(`The report is no JSON: "${text.slice(0, 80)}".`);
  }
  const report = asObject(document, 'report');
  if (report['SchemaVersion'] !== 2) {
    throw new ReportError(
      `The report has schema version ${String(report['SchemaVersion'])}, not 2.`,
    );
  }
  if (report['ArtifactType'] !== 'container_image') {
    throw new ReportError(`The report is about ${String(report['ArtifactType'])}, not an image.`);
  }
  const results = asList(report['Results'], 'Results').map((item, index) =>
    asObject(item, `Results[${index}]`),
  );
  return {
    secrets: results.flatMap((result) => readSecrets(result, component)),
    misconfigurations: results.flatMap((result) => readMisconfigurations(result, component)),
    packages: results.reduce(
      (sum, result) => sum + asList(result['Packages'], 'Packages').length,
      0,
    ),
    report: normaliseReport(report, results, component),
  };
}

function readSecrets(result: Json, component: string): SecretFinding[] {
  const path = absolute(asText(result['Target'], 'Target'));
  return asList(result['Secrets'], 'Secrets').map((item) => {
    const secret = asObject(item, 'Secrets[]');
    return {
      component,
      rule: asText(secret['RuleID'], 'RuleID'),
      title: asText(secret['Title'], 'Title'),
      severity: asSeverity(secret['Severity']),
      path,
      layerDigest: layerDigestOf(secret),
      startLine: asLine(secret['StartLine']),
    };
  });
}

function readMisconfigurations(result: Json, component: string): MisconfigurationFinding[] {
  const path = absolute(asText(result['Target'], 'Target'));
  return asList(result['Misconfigurations'], 'Misconfigurations')
    .map((item) => asObject(item, 'Misconfigurations[]'))
    .filter((item) => asText(item['Status'], 'Status') !== 'PASS')
    .map((item) => {
      const cause = item['CauseMetadata'];
      return {
        component,
        rule: asText(item['ID'], 'ID'),
        title: asText(item['Title'], 'Title'),
        severity: asSeverity(item['Severity']),
        path,
        message: optionalText(item['Message'], 'Message'),
        remedy: optionalText(item['Resolution'], 'Resolution'),
        startLine: cause == null ? null : asLine(asObject(cause, 'CauseMetadata')['StartLine']),
      };
    });
}

/** The report without the time it was made, the temporary folder's name and any matched or quoted text. */
function normaliseReport(report: Json, results: readonly Json[], component: string): Json {
  const { CreatedAt: _createdAt, Results: _results, ...rest } = report;
  const cleaned = results.map((result) => {
    const copy: Json = { ...result };
    if (Array.isArray(copy['Secrets'])) {
      copy['Secrets'] = copy['Secrets'].map((item) => without(item, ['Match', 'Code']));
    }
    if (Array.isArray(copy['Misconfigurations'])) {
      copy['Misconfigurations'] = copy['Misconfigurations'].map((item) => {
        const clean = without(item, []);
        if (clean['CauseMetadata'] == null) return clean;
        return {
          ...clean,
          CauseMetadata: without(clean['CauseMetadata'], ['Code', 'RenderedCause']),
        };
      });
    }
    return copy;
  });
  const keyOf = (result: Json): string =>
    [result['Class'], result['Type'], result['Target']]
      .map((part) => String(part ?? ''))
      .join('\0');
  cleaned.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : keyOf(a) > keyOf(b) ? 1 : 0));
  return { ...rest, ArtifactName: component, Results: cleaned };
}

function without(value: unknown, keys: readonly string[]): Json {
  const copy = { ...asObject(value, 'finding') };
  for (const key of keys) delete copy[key];
  return copy;
}

function layerDigestOf(finding: Json): string | null {
  if (finding['Layer'] == null) return null;
  const layer = asObject(finding['Layer'], 'Layer');
  const digest = layer['Digest'] ?? layer['DiffID'];
  return typeof digest === 'string' && digest !== '' ? digest : null;
}

function absolute(path: string): string {
  return path.startsWith('/') ? path : `/${path}`;
}

function asObject(value: unknown, name: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ReportError(`${name} of the report is no object.`);
  }
  return value as Json;
}

function asList(value: unknown, name: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new ReportError(`${name} of the report is no list.`);
  return value;
}

function asText(value: unknown, name: string): string {
  if (typeof value !== 'string' || value === '') {
    throw new ReportError(`${name} of a finding is no text.`);
  }
  return cutText(value, 2000);
}

function optionalText(value: unknown, name: string): string {
  return value === undefined || value === null || value === '' ? '' : asText(value, name);
}

function asSeverity(value: unknown): Severity {
  const severity = SEVERITIES.find((known) => known === value);
  if (severity === undefined) throw new ReportError(`Severity "${String(value)}" is unknown.`);
  return severity;
}

function asLine(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : null;
}
