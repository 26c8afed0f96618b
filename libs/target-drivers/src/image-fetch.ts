import type { BlobDescriptor } from '@sluice/domain';
import {
  parseImageConfig,
  parseImageManifest,
  readVerified,
  type UnpackLimits,
  unpackLayers,
} from '@sluice/oci';
import { imageCommand } from './image-command.ts';
import type { ImageStore, KeptImage } from './image-store.ts';
import type { BlobSource } from './target-driver.ts';

/**
 * Fetches an image by the digest of its manifest and puts it into the store, whole and with its record.
 * @throws OciError, DriverError `image-without-command` (before a layer is fetched), or what the source throws
 */
export async function fetchImage(options: {
  /** The manifest. */
  readonly blob: Pick<BlobDescriptor, 'digest' | 'size'>;
  readonly source: BlobSource;
  readonly images: ImageStore;
  readonly limits: Partial<UnpackLimits> | undefined;
  readonly onUnpacked: () => Promise<void>;
  readonly signal: AbortSignal | undefined;
}): Promise<KeptImage> {
  const { blob, source, images, limits, onUnpacked, signal } = options;
  const { digest } = blob;
  const read = async (one: Pick<BlobDescriptor, 'digest' | 'size'>) =>
    readVerified(await source.openBlob(one, signal), one);
  const manifestBytes = await read(blob);
  const manifest = parseImageManifest(manifestBytes, digest);
  const configBytes = await read(manifest.config);
  const config = parseImageConfig(configBytes, manifest.config.digest);
  imageCommand(config, digest);
  const unpack = async (destination: string) => {
    await unpackLayers({
      layers: manifest.layers,
      diffIds: config.diffIds,
      blobStream: (layer) => source.openBlob(layer, signal),
      destination,
      ...(limits === undefined ? {} : { limits }),
      ...(signal === undefined ? {} : { signal }),
    });
  };
  const documents = { manifest: manifestBytes, config: configBytes };
  await images.put(digest, documents, unpack, onUnpacked, signal);
  return { config };
}
