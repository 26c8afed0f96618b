import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { getTool } from '../tools/get-tool.ts';
import { packSamples } from './pack-samples.ts';
import { packTar } from './tar-archive.ts';

describe('the samples', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice samples '));
  });

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  test('packing twice gives the same digests and the same bytes', async () => {
    const first = await packSamples(join(folder, 'first'));
    const second = await packSamples(join(folder, 'second'));
    expect(second).toEqual(first);
    expect(await readFile(join(folder, 'second/index.json'))).toEqual(
      await readFile(join(folder, 'first/index.json')),
    );
    expect(await readdir(join(folder, 'second/blobs/sha256'))).toEqual(
      await readdir(join(folder, 'first/blobs/sha256')),
    );
  });

  test('a layout that was changed is packed again', async () => {
    const layout = join(folder, 'changed');
    const [image] = await packSamples(layout);
    const blob = join(layout, 'blobs', ...(image?.digest ?? '').split(':'));
    const whole = await readFile(blob);
    await writeFile(blob, 'changed');
    await packSamples(layout);
    expect(await readFile(blob)).toEqual(whole);
    expect((await readdir(folder)).filter((name) => name.includes('.new-'))).toEqual([]);
  });

  test('tar reads the archive; its entries are sorted and belong to nobody', async () => {
    const file = join(folder, 'layer.tar');
    const content = Buffer.from('x'.repeat(600));
    await writeFile(
      file,
      packTar([
        { path: 'b.txt', content: Buffer.from('') },
        { path: 'a/deep/c.txt', content, mode: 0o600 },
      ]),
    );
    const { stdout } = await promisify(execFile)('tar', ['--numeric-owner', '-tvf', file], {
      env: { ...process.env, TZ: 'UTC' },
    });
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.replace(/\s+/g, ' ')),
    ).toEqual([
      'drwxr-xr-x 0/0 0 1970-01-01 00:00 a/',
      'drwxr-xr-x 0/0 0 1970-01-01 00:00 a/deep/',
      '-rw------- 0/0 600 1970-01-01 00:00 a/deep/c.txt',
      '-rw-r--r-- 0/0 0 1970-01-01 00:00 b.txt',
    ]);
  });

  test('the real trivy finds the key in 1.1.0 and nothing in the others', async () => {
    const layout = join(folder, 'first');
    const trivy = await getTool('trivy');
    const secretsOf = async (tag: string): Promise<string[]> => {
      const { stdout } = await promisify(execFile)(trivy.path, [
        ...['image', '--quiet', '--input', `${layout}:${tag}`, '--scanners', 'secret'],
        ...['--format', 'json', '--cache-dir', join(folder, 'trivy'), '--offline-scan'],
      ]);
      const report = JSON.parse(stdout) as {
        Results?: { Target: string; Secrets?: { RuleID: string }[] }[];
      };
      return (report.Results ?? []).flatMap(({ Target, Secrets }) =>
        (Secrets ?? []).map(({ RuleID }) => `${Target}: ${RuleID}`),
      );
    };
    for (const tag of ['1.0.0', '1.2.0', '1.3.0', '1.3.1']) {
      expect([tag, await secretsOf(tag)]).toEqual([tag, []]);
    }
    expect(await secretsOf('1.1.0')).toEqual(['/app/deploy-key.pem: private-key']);
  });
});
