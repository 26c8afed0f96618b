import { createHash, generateKeyPairSync } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { canonicalJson } from '@sluice/pure';
import type { ScannableImage } from './image-scanner.ts';
import { TrivyImageScanner } from './trivy-image-scanner.ts';

const root = mkdtempSync(join(tmpdir(), 'sluice scan '));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const trivy = findTrivy();
const realTest = trivy === undefined && process.env['CI'] !== 'true' ? test.skip : test;
const never = new AbortController().signal;

describe('a real trivy on an OCI layout', () => {
  realTest(
    'finds the private key in the layer, never keeps it, and gives the same bytes twice',
    async () => {
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
      const scans = [];
      for (const name of ['one', 'two']) {
        const scanner = new TrivyImageScanner(settings(trivy ?? 'trivy'));
        scans.push(await scanner.scan(writeImage(name, { 'app/deploy.key': pem }), never));
      }
      const [first, second] = scans;
      expect(first?.secrets).toEqual([
        expect.objectContaining({
          component: 'web',
          rule: 'private-key',
          severity: 'HIGH',
          path: '/app/deploy.key',
          startLine: 1,
          layerDigest: expect.stringMatching(/^sha256:/),
        }),
      ]);
      expect(first?.packages).toBe(1);
      expect(canonicalJson(first)).toBe(canonicalJson(second));
      expect(canonicalJson(first)).not.toContain('PRIVATE KEY-----');
      expect(first?.sbom).toMatchObject({
        bomFormat: 'CycloneDX',
        metadata: { timestamp: '2026-01-02T03:04:05Z', component: { name: 'web' } },
      });
    },
  );

  realTest('a clean image has no secrets', async () => {
    const scanner = new TrivyImageScanner(settings(trivy ?? 'trivy'));
    const scan = await scanner.scan(writeImage('clean', { 'app/readme.txt': 'hello' }), never);
    expect(scan.secrets).toEqual([]);
  });

  realTest('a layout that is none is a failed scan with the scanner’s last words', async () => {
    const scanner = new TrivyImageScanner(settings(trivy ?? 'trivy'));
    const image = writeImage('broken', {});
    writeFileSync(join(image.layout, 'index.json'), 'rubbish');
    await expect(scanner.scan(image, never)).rejects.toMatchObject({ type: 'ScannerFailed' });
  });
});

describe('a scanner that does not do its work', () => {
  test('missing: ScannerUnavailable, terminal, says what to set', async () => {
    const scanner = new TrivyImageScanner(settings(join(root, 'no-such-trivy')));
    await expect(scanner.scan(writeImage('missing', {}), never)).rejects.toMatchObject({
      type: 'ScannerUnavailable',
      nonRetryable: true,
      message: expect.stringContaining('SLUICE_TRIVY'),
    });
  });

  test('hanging: stopped at the deadline, its children too', async () => {
    const marker = join(root, 'survivor');
    const program = script('hanging', `(sleep 3; touch '${marker}') & ${VERSION} sleep 60`);
    const scanner = new TrivyImageScanner({ ...settings(program), timeoutMs: 500 });
    const started = Date.now();
    await expect(scanner.scan(writeImage('hanging', {}), never)).rejects.toMatchObject({
      type: 'ScannerFailed',
      message: expect.stringContaining('did not end within'),
    });
    expect(Date.now() - started).toBeLessThan(10_000);
    await new Promise((resolve) => setTimeout(resolve, 3500));
    expect(existsSync(marker)).toBe(false);
  });

  test('cancelled: the process group is ended', async () => {
    const program = script('cancelled', `${VERSION} sleep 60`);
    const scanner = new TrivyImageScanner(settings(program));
    const cancel = new AbortController();
    setTimeout(() => cancel.abort(), 300);
    await expect(scanner.scan(writeImage('cancelled', {}), cancel.signal)).rejects.toMatchObject({
      code: 'program-cancelled',
    });
  });

  test.each([
    ['rubbish', 'rubbish'],
    ['another schema', '{"SchemaVersion":3}'],
    ['no image', '{"SchemaVersion":2,"ArtifactType":"filesystem"}'],
    [
      'a finding of another shape',
      '{"SchemaVersion":2,"ArtifactType":"container_image","Results":[{"Target":"x","Secrets":[{"Severity":"HIGH"}]}]}',
    ],
  ])('prints %s: ScannerFailed', async (name, report) => {
    const program = script(
      name.replaceAll(' ', '-'),
      `${VERSION} while [ "$1" != --output ]; do shift; done; printf '%s' '${report}' > "$2"`,
    );
    const scanner = new TrivyImageScanner(settings(program));
    await expect(scanner.scan(writeImage(name, {}), never)).rejects.toMatchObject({
      type: 'ScannerFailed',
    });
  });

  test('ends badly: ScannerFailed with the last lines', async () => {
    const program = script('bad', `${VERSION} echo 'disk on fire' >&2; exit 3`);
    await expect(
      new TrivyImageScanner(settings(program)).scan(writeImage('bad', {}), never),
    ).rejects.toMatchObject({
      type: 'ScannerFailed',
      message: expect.stringContaining('disk on fire'),
    });
  });
});

const VERSION = `if [ "$1" = --version ]; then echo 'Version: 0.59.1'; exit 0; fi;`;

function settings(program: string) {
  return { program, cacheDir: join(root, 'cache'), timeoutMs: 60_000 };
}

function script(name: string, body: string): string {
  const file = join(root, `${name}.sh`);
  writeFileSync(file, `#!/bin/sh\n${body}\n`);
  chmodSync(file, 0o755);
  return file;
}

function findTrivy(): string | undefined {
  const named = process.env['SLUICE_TRIVY'];
  if (named !== undefined && existsSync(named)) return named;
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'trivy'))
    .find((file) => existsSync(file));
}

function writeImage(name: string, files: Record<string, string>): ScannableImage {
  const layout = join(root, `${name} layout`);
  const scratch = join(root, `${name} scratch`);
  mkdirSync(join(layout, 'blobs', 'sha256'), { recursive: true });
  mkdirSync(scratch, { recursive: true });
  const put = (content: Buffer, mediaType: string) => {
    const hex = createHash('sha256').update(content).digest('hex');
    writeFileSync(join(layout, 'blobs', 'sha256', hex), content);
    return { mediaType, digest: `sha256:${hex}`, size: content.length };
  };
  const all = {
    ...files,
    'app/node_modules/left/package.json': '{"name":"left","version":"1.0.0","license":"MIT"}',
  };
  const layer = tar(all);
  const type = 'application/vnd.oci.image';
  const layerBlob = put(layer, `${type}.layer.v1.tar`);
  const config = {
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: [layerBlob.digest] },
  };
  const configBlob = put(Buffer.from(JSON.stringify(config)), `${type}.config.v1+json`);
  const manifest = {
    schemaVersion: 2,
    mediaType: `${type}.manifest.v1+json`,
    config: configBlob,
    layers: [layerBlob],
  };
  const manifestBlob = put(Buffer.from(JSON.stringify(manifest)), manifest.mediaType);
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(
    join(layout, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [manifestBlob] }),
  );
  return {
    component: 'web',
    digest: manifestBlob.digest,
    createdAt: '2026-01-02T03:04:05Z',
    layout,
    scratch,
  };
}

function tar(files: Record<string, string>): Buffer {
  const blocks = Object.entries(files).flatMap(([path, text]) => {
    const content = Buffer.from(text);
    const header = Buffer.alloc(512);
    header.write(path, 0);
    header.write('0000644\0', 100);
    header.write('0000000\0'.repeat(2), 108);
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('00000000000\0', 136);
    header.write('        0ustar\x0000', 148);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}
