import { createHash, createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { ImageContent, PackedImage } from './image-layout.ts';
import { writeImageLayout } from './image-layout.ts';

const SAMPLES_URL = new URL('../../samples/', import.meta.url);
const LEFT_BEHIND_PATH = 'app/deploy-key.pem';

/**
 * The sample service's versions: 1.0.0 is clean, in 1.1.0 somebody left a private key in a layer,
 * 1.2.0 is clean and counts its greetings, for which it needs the setting `GREETING_STORE`; 1.3.0 is clean and healthy, answers slowly,
 * and one greeting of twenty with an error (settings `GREETING_ERROR_PERCENT`, `GREETING_DELAY_MS`); 1.3.1 answers as 1.0.0 does again.
 */
export const SAMPLE_VERSIONS = {
  clean: '1.0.0',
  leaking: '1.1.0',
  counting: '1.2.0',
  failing: '1.3.0',
  mended: '1.3.1',
} as const;

/**
 * Packs all versions of the sample service `hello` into one OCI image layout, deterministically.
 *
 * @param folder - the layout's folder; replaced when it differs.
 * @returns the tags with their manifest digests.
 */
export async function packSamples(folder: string): Promise<PackedImage[]> {
  const server = await readFile(new URL('hello/server.mjs', SAMPLES_URL));
  const countingServer = await readFile(new URL('hello-1.2/server.mjs', SAMPLES_URL));
  const failingServer = await readFile(new URL('hello-1.3/server.mjs', SAMPLES_URL));
  const clean = sampleImage(SAMPLE_VERSIONS.clean, server);
  const leaking = sampleImage(SAMPLE_VERSIONS.leaking, server);
  const keyLayer = [{ path: LEFT_BEHIND_PATH, content: leftBehindKey(), mode: 0o600 }];
  return writeImageLayout(folder, [
    clean,
    { ...leaking, layers: [...leaking.layers, keyLayer] },
    sampleImage(SAMPLE_VERSIONS.counting, countingServer),
    sampleImage(SAMPLE_VERSIONS.failing, failingServer),
    sampleImage(SAMPLE_VERSIONS.mended, server),
  ]);
}

function sampleImage(version: string, server: Buffer): ImageContent {
  const manifest = {
    name: 'hello',
    version,
    private: true,
    license: 'Apache-2.0',
    type: 'module',
    main: 'server.mjs',
  };
  return {
    tag: version,
    layers: [
      [
        { path: 'server.mjs', content: server },
        { path: 'package.json', content: Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`) },
      ],
    ],
    entrypoint: ['node', 'server.mjs'],
    env: [`VERSION=${version}`],
    labels: {
      'org.opencontainers.image.title': 'hello',
      'org.opencontainers.image.version': version,
    },
  };
}

/**
 * A real Ed25519 private key in PEM, derived from a fixed seed so that the layer has one digest and
 * no key lies in the repository. It opens nothing. PKCS #8 of an Ed25519 key: RFC 8410, section 7.
 */
function leftBehindKey(): Buffer {
  const seed = createHash('sha256').update('sluice sample hello 1.1.0, not a secret').digest();
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return Buffer.from(key.export({ format: 'pem', type: 'pkcs8' }));
}
