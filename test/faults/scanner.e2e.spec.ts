import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { PromotionAnswer } from '../support/documents.ts';
import { startTestStack, type TestStack } from '../support/e2e-stack.ts';
import { isAlive } from '../support/process-alive.ts';
import { findContradictions } from '../support/promotion-checks.ts';
import type { ScannerMode } from '../support/scanner-script.ts';
import { findService, serviceImage } from '../support/service-images.ts';

const VERSIONS: Readonly<Record<string, ScannerMode>> = {
  '2.0.0': 'hang',
  '2.0.1': 'deaf',
  '2.0.2': 'rubbish',
  '2.0.3': 'broken',
};

let made: TestStack;

beforeAll(async () => {
  made = await startTestStack({
    images: ['1.0.0', '3.0.0', ...Object.keys(VERSIONS)].map((tag) => serviceImage(tag)),
    environments: [
      { name: 'dev', position: 1 },
      { name: 'short', position: 2, after: [], deadlines: { scanSeconds: 8 } },
    ],
    targets: [
      { name: 'host-dev', environment: 'dev' },
      { name: 'host-short', environment: 'short' },
    ],
    scannerMode: 'clean',
  });
  const { client } = made;
  const { id } = await client.release('1.0.0');
  for (const environment of ['dev', 'short']) {
    expect((await client.promote(id, environment)).state).toBe('SUCCEEDED');
  }
}, 120_000);

afterAll(() => made?.remove());

/** Failed in its scan, with nothing done after it, sealed, and no process left. */
async function expectScanFailed(promotion: PromotionAnswer, code: string, says: RegExp) {
  expect(promotion).toMatchObject({ state: 'FAILED', reason: { code } });
  expect(promotion.reason?.message).toMatch(says);
  expect(promotion.steps.map(({ state }) => state)).toEqual([
    'FAILED',
    'SKIPPED',
    'SKIPPED',
    'SKIPPED',
    'SKIPPED',
  ]);
  expect(promotion.decision).toBeNull();
  expect(promotion.deployments).toEqual([]);
  expect(promotion.packet).not.toBeNull();
  const { scanner, stack } = made;
  const host = `host-${promotion.id.split('/')[0]}`;
  expect((await scanner.listPids()).filter(isAlive)).toEqual([]);
  expect(await findContradictions(stack, promotion)).toEqual([]);
  expect(await findService(stack.getServicePort(host))).toMatchObject({ version: '1.0.0' });
}

async function promoteWith(environment: string, version: string): Promise<PromotionAnswer> {
  const { client, scanner } = made;
  const release = await client.release(version);
  await scanner.setModeOf(release.image, VERSIONS[version] ?? 'clean');
  return client.promote(release.id, environment);
}

test.each([
  ['hangs', '2.0.0'],
  ['hangs and ignores SIGTERM', '2.0.1'],
])('a scanner that %s is ended with all its children by the deadline', async (_, version) => {
  const promotion = await promoteWith('short', version);
  await expectScanFailed(promotion, 'scanner-failed', /did not end within .* s and was stopped/s);
});

test.each([
  ['prints rubbish', '2.0.2', /output about component app .*cannot be read.*Check/s],
  ['ends badly', '2.0.3', /status 1 .*the scanner is broken/s],
])('a scanner that %s fails the promotion long before the deadline', async (_, version, says) => {
  await expectScanFailed(await promoteWith('dev', version), 'scanner-failed', says);
});

test('a scanner that is missing fails the promotion and says how to get it', async () => {
  const { client, scanner } = made;
  await scanner.uninstall();
  const release = await client.release('3.0.0');
  const promotion = await client.promote(release.id, 'dev');
  await expectScanFailed(promotion, 'scanner-unavailable', /slow-fake-trivy.*Install trivy/s);
  await scanner.install();
  expect((await client.promote(release.id, 'dev')).state).toBe('SUCCEEDED');
});
