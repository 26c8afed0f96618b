import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { loadServerSettings } from './server-settings.ts';

describe('the settings of the Temporal server', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-settings-'));
  });

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  test('the checked-in file is valid', async () => {
    const settings = await loadServerSettings();
    expect(settings.namespace).toBe('sluice');
    expect(settings.searchAttributes).toMatchObject({
      SluiceTenant: 'Keyword',
      SluiceEnvironment: 'Keyword',
      SluiceRelease: 'Keyword',
      SluicePromotionState: 'Keyword',
    });
  });

  test.each([
    ['namespace', { namespace: 'Not A Name' }],
    ['retentionDays', { retentionDays: 0 }],
    ['searchAttributes', { searchAttributes: { SluiceTenant: 'Words' } }],
    ['dynamicConfig', { dynamicConfig: { key: [] } }],
  ])('a wrong %s is named', async (field, wrong) => {
    const file = pathToFileURL(join(folder, `${field}.json`));
    await writeFile(file, JSON.stringify({ ...(await loadServerSettings()), ...wrong }));
    await expect(loadServerSettings(file)).rejects.toThrow(`"${field}"`);
  });
});
