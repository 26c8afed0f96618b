import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { writeImageLayout } from '@sluice/infra';
import type { PromotionAnswer, Refusal, ReleaseRequestAnswer } from '../../support/documents.ts';
import { REQUEST_PROMOTION } from '../../support/documents.ts';
import type { TestStack } from '../../support/e2e-stack.ts';
import { readJournal } from '../../support/journal.ts';
import { findContradictions } from '../../support/promotion-checks.ts';
import {
  manyEntries,
  type RawEntry,
  rawArchive,
  writeRawLayout,
} from '../../support/raw-layout.ts';
import { findService, serviceImage } from '../../support/service-images.ts';

const ESCAPED = `escaped-${process.pid}`;
const climb = (levels: number): string => `${'../'.repeat(levels)}${ESCAPED}`;
const file = (path: string): RawEntry => ({ path, type: '0', content: Buffer.from('outside') });

/** What only the agent sees, with the code that it refuses it by. */
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
  // A quarter more than agents take.
  crowded: { code: 'layer-too-many-entries', archive: manyEntries(250_000) },
};
/** Each has an environment of its own. */
const ENVIRONMENT_OF: Readonly<Record<string, string>> = {
  climbing: 'dev',
  absolute: 'stage',
  symlink: 'third',
  device: 'fourth',
  crowded: 'fifth',
};
const KINDS = Object.keys(HOSTILE);

/** Names of the layouts that {@link writeHostileSources} writes. */
export const HOSTILE_LAYOUTS = ['hostile', 'damaged'];

/** A source of hostile images, and one that was damaged. */
export async function writeHostileSources(folder: string): Promise<void> {
  const enormous = { tag: 'enormous', archive: rawArchive([file('a')]), env: [] };
  await writeRawLayout(join(folder, 'hostile'), [
    ...KINDS.map((tag) => ({
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

/** What is hostile or damaged is refused where it is seen, and harms nothing. */
export function describeBadInput(getStack: () => TestStack): void {
  describe('bad input', () => {
    let made: TestStack;
    const ended = new Map<string, PromotionAnswer>();

    beforeAll(async () => {
      made = getStack();
      const { client, scanner } = made;
      const old = await client.release('1.0.0');
      await Promise.all(
        KINDS.map(async (kind) => {
          const environment = ENVIRONMENT_OF[kind] ?? '';
          await client.promote(old.id, environment, 120);
          const { id, image } = await client.release(kind, 'hostile');
          // The scanner would unpack all of that one, which is not what this is about.
          if (kind !== 'crowded') await scanner.setModeOf(image, 'real');
          ended.set(kind, await client.promote(id, environment, 120));
        }),
      );
    }, 240_000);

    const askFor = async (source: string, reference: string, version = `${source}-${reference}`) =>
      made.client.askForRelease({
        name: 'app',
        version,
        components: [{ name: 'app', source, reference }],
      });

    describe('a release', () => {
      test.each([
        ['a tag that does not exist', 'images', '9.9.9', 'tag-not-found', /9\.9\.9.*has .*1\.0\.0/],
        [
          'a damaged layer',
          'damaged',
          '1.0.0',
          'blob-digest-mismatch',
          /sha256:.*(again|[Rr]ebuild)/s,
        ],
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
        const answer = await made.client.askForRelease({
          name: 'app',
          version: '1',
          components: [],
        });
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
      const { id } = await made.client.release('1.0.0');
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

    describe.each(KINDS)('an image with a hostile layer: %s', (kind) => {
      const host = `${ENVIRONMENT_OF[kind]}-host-1`;

      test('is refused by the agent with what, where and what next', () => {
        const promotion = ended.get(kind);
        const code = HOSTILE[kind]?.code;
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
        expect(await findContradictions(stack, ended.get(kind) as PromotionAnswer)).toEqual([]);
        const names = await readdir(made.folder, { recursive: true });
        expect(names.filter((name) => name.endsWith(ESCAPED))).toEqual([]);
        expect(await readdir('/tmp')).not.toContain(ESCAPED);
        expect(await readdir('/')).not.toContain(ESCAPED);
      });
    });
  });
}
