import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { writeImageLayout } from '@sluice/infra';
import type { PromotionAnswer, Refusal, ReleaseRequestAnswer } from '../support/documents.ts';
import { REQUEST_PROMOTION } from '../support/documents.ts';
import { startTestStack, type TestStack } from '../support/e2e-stack.ts';
import { readJournal } from '../support/journal.ts';
import { findContradictions } from '../support/promotion-checks.ts';
import { manyEntries, type RawEntry, rawArchive, writeRawLayout } from '../support/raw-layout.ts';
import { findService, serviceImage } from '../support/service-images.ts';

const ESCAPED = `escaped-${process.pid}`;
const climb = (levels: number): string => `${'../'.repeat(levels)}${ESCAPED}`;
const file = (path: string): RawEntry => ({ path, type: '0', content: Buffer.from('outside') });

/** What only the agent sees, by environment, with the code that it refuses it by. */
const HOSTILE: Readonly<Record<string, { code: string; archive: Iterable<Buffer> }>> = {
  climbing: { code: 'layer-path-escapes', archive: rawArchive([file(climb(6))]) },
  absolute: { code: 'layer-path-escapes', archive: rawArchive([file(`/tmp/${ESCAPED}`)]) },
  symlink: {
    code: 'layer-link-escapes',
    archive: rawArchive([
      { path: 'out', type: '2', linkTarget: '../../../../..' },
      file(`out/tmp/${ESCAPED}`),
    ]),
  },
  device: { code: 'layer-device-node', archive: rawArchive([{ path: 'null', type: '3' }]) },
  million: { code: 'layer-too-many-entries', archive: manyEntries(1_000_000) },
};
const ENVIRONMENTS = Object.keys(HOSTILE);

let made: TestStack;
const ended = new Map<string, PromotionAnswer>();

beforeAll(async () => {
  made = await startTestStack({
    environments: ENVIRONMENTS.map((name, position) => ({ name, position, after: [] })),
    targets: ENVIRONMENTS.map((environment) => ({ name: `host-${environment}`, environment })),
    images: [serviceImage('1.0.0')],
    prepare: writeSources,
    layouts: ['hostile', 'damaged'],
  });
  const { client, scanner } = made;
  const old = await client.release('1.0.0', 'images');
  await Promise.all(ENVIRONMENTS.map((environment) => client.promote(old.id, environment, 120)));
  await Promise.all(
    ENVIRONMENTS.map(async (environment) => {
      const { id, image } = await client.release(environment, 'hostile');
      // The scanner would unpack half a gigabyte, which is not what this is about.
      if (environment === 'million') await scanner.setModeOf(image, 'clean');
      ended.set(environment, await client.promote(id, environment, 120));
    }),
  );
}, 240_000);

afterAll(() => made?.remove());

/** A source of hostile images, and one that was damaged. */
async function writeSources(folder: string): Promise<void> {
  const enormous = { tag: 'enormous', archive: rawArchive([file('a')]), env: [] };
  await writeRawLayout(join(folder, 'hostile'), [
    ...ENVIRONMENTS.map((tag) => ({
      tag,
      archive: HOSTILE[tag]?.archive ?? [],
      env: [`VERSION=${tag}`],
    })),
    { ...enormous, manifestPadding: 32 * 1024 * 1024 },
  ]);
  // Of its own content: what another source brought in before would be taken from the store.
  const layers = [[{ path: 'server.mjs', content: Buffer.from(`// ${'damaged '.repeat(99)}`) }]];
  await writeImageLayout(join(folder, 'damaged'), [{ ...serviceImage('1.0.0'), layers }]);
  const blobs = join(folder, 'damaged', 'blobs', 'sha256');
  for (const name of await readdir(blobs)) {
    const bytes = await readFile(join(blobs, name));
    // The one blob that is no JSON is the layer.
    if (bytes[0] !== 0x7b) {
      bytes[600] = (bytes[600] ?? 0) ^ 1;
      await writeFile(join(blobs, name), bytes);
    }
  }
}

const askFor = async (source: string, reference: string, version = `${source}-${reference}`) =>
  made.client.askForRelease({
    name: 'app',
    version,
    components: [{ name: 'app', source, reference }],
  });

describe('a release', () => {
  test.each([
    ['a tag that does not exist', 'images', '9.9.9', 'tag-not-found', /9\.9\.9.*has 1\.0\.0/],
    ['a damaged layer', 'damaged', '1.0.0', 'blob-digest-mismatch', /sha256:.*(again|[Rr]ebuild)/s],
    ['an enormous manifest', 'hostile', 'enormous', 'manifest-too-large', /sha256:.*Rebuild/],
  ])('of %s is refused with what, where and what next', async (_, source, tag, code, says) => {
    const answer = (await askFor(source, tag)) as ReleaseRequestAnswer;
    expect(answer).toMatchObject({ state: 'REFUSED', release: null });
    expect(answer.refusal).toMatchObject({ code, message: expect.stringMatching(says) });
    // A client learns a source's name, never where it lies.
    expect(answer.refusal?.message).not.toContain(made.folder);
    expect(answer.refusal?.message).toContain('Component app');
  });

  test('with no components is refused, naming the field', async () => {
    const answer = await made.client.askForRelease({ name: 'app', version: '1', components: [] });
    expect(answer).toMatchObject({
      __typename: 'InvalidInput',
      message: expect.stringContaining('at least one component'),
    });
  });

  test('of an unknown source is refused', async () => {
    expect(await askFor('nowhere', '1.0.0')).toMatchObject({
      __typename: 'NotFound',
      code: 'source-unknown',
      message: expect.stringMatching(/nowhere.*name one/),
    });
  });
});

test('a promotion to an unknown environment is refused', async () => {
  const { id } = await made.client.release('1.0.0', 'images');
  const { data, status } = await made.client.post<{ requestPromotion: Refusal }>(
    REQUEST_PROMOTION,
    { input: { release: id, environment: 'nowhere', idempotencyKey: 'unknown' } },
  );
  expect(status).toBe(200);
  expect(data?.requestPromotion).toMatchObject({
    __typename: 'NotFound',
    code: 'environment-unknown',
    message: expect.stringMatching(/nowhere.*name one/),
  });
});

describe.each(ENVIRONMENTS)('an image with a hostile layer: %s', (environment) => {
  const host = `host-${environment}`;

  test('is refused by the agent with what, where and what next', () => {
    const promotion = ended.get(environment);
    const code = HOSTILE[environment]?.code;
    expect(promotion).toMatchObject({ state: 'REVERTED', reason: { code } });
    expect(promotion?.reason?.message).toMatch(
      new RegExp(
        `${host} refused the deploy: Layer sha256:.*(Rebuild|smaller|Use a relative link)`,
        's',
      ),
    );
    expect(promotion?.deployments).toMatchObject([{ state: 'REFUSED', failure: { code } }]);
    expect(promotion?.packet).not.toBeNull();
  });

  test('leaves the old version as it was, and nothing outside', async () => {
    const { client, stack } = made;
    expect(await findService(stack.getServicePort(host))).toMatchObject({ version: '1.0.0' });
    expect((await client.target(host)).currentRelease?.version).toBe('1.0.0');
    const stages = (await readJournal(stack, host)).map(({ stage }) => stage);
    expect(stages.slice(-3)).toEqual(['accepted', 'fetching', 'refused']);
    expect(await findContradictions(stack, ended.get(environment) as PromotionAnswer)).toEqual([]);
    const names = await readdir(made.folder, { recursive: true });
    expect(names.filter((name) => name.endsWith(ESCAPED))).toEqual([]);
    expect(await readdir('/tmp')).not.toContain(ESCAPED);
    expect(await readdir('/')).not.toContain(ESCAPED);
  });
});
