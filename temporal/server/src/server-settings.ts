import { readFile } from 'node:fs/promises';
import { TemporalServerError } from './server-error.ts';

const SETTINGS_URL = new URL('../server-settings.json', import.meta.url);

const ATTRIBUTE_TYPES = [
  'Text',
  'Keyword',
  'Int',
  'Double',
  'Bool',
  'Datetime',
  'KeywordList',
] as const;

/** The types that Temporal knows for a search attribute. */
export type SearchAttributeType = (typeof ATTRIBUTE_TYPES)[number];

/** What every Temporal server that Sluice uses is set to, dev server and cluster alike. */
export type ServerSettings = {
  readonly namespace: string;
  /** How long the server keeps a closed workflow, in days. */
  readonly retentionDays: number;
  readonly searchAttributes: Readonly<Record<string, SearchAttributeType>>;
  /** Dynamic configuration: flags of the dev server, a file on a cluster. */
  readonly dynamicConfig: Readonly<Record<string, string | number | boolean>>;
};

/**
 * Reads the settings from `server-settings.json`, the only place where they stand.
 *
 * @throws TemporalServerError `temporal-settings-invalid` naming the wrong field.
 */
export async function loadServerSettings(file: URL = SETTINGS_URL): Promise<ServerSettings> {
  const raw = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  const { namespace, retentionDays, searchAttributes, dynamicConfig } = raw;
  assertSetting(typeof namespace === 'string' && /^[a-z][a-z0-9-]*$/.test(namespace), 'namespace');
  assertSetting(Number.isInteger(retentionDays) && Number(retentionDays) >= 1, 'retentionDays');
  assertSetting(isRecordOf(searchAttributes, isAttributeType), 'searchAttributes');
  assertSetting(isRecordOf(dynamicConfig, isScalar), 'dynamicConfig');
  return raw as ServerSettings;
}

function assertSetting(holds: boolean, field: string): void {
  if (!holds) {
    throw new TemporalServerError(
      'temporal-settings-invalid',
      `temporal/server/server-settings.json: the field "${field}" is missing or wrong; correct it there.`,
    );
  }
}

function isRecordOf(value: unknown, isMember: (member: unknown) => boolean): boolean {
  return typeof value === 'object' && value !== null && Object.values(value).every(isMember);
}

function isAttributeType(value: unknown): boolean {
  return ATTRIBUTE_TYPES.some((type) => type === value);
}

function isScalar(value: unknown): boolean {
  return ['string', 'number', 'boolean'].includes(typeof value);
}
