/** Media types of the OCI image specification v1.1 (and Docker's older names of the same bytes). */
export const MEDIA_TYPES = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layerTar: 'application/vnd.oci.image.layer.v1.tar',
  layerTarGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerTarZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
} as const;

/** How a layer's bytes are packed. */
export type LayerCompression = 'none' | 'gzip';

/** The compression of a layer that can be unpacked here; undefined for every other media type. */
export function findLayerCompression(mediaType: string): LayerCompression | undefined {
  if (mediaType === MEDIA_TYPES.layerTar) return 'none';
  if (mediaType === MEDIA_TYPES.layerTarGzip || mediaType === MEDIA_TYPES.dockerLayerGzip) {
    return 'gzip';
  }
  return undefined;
}

/** True for a list of manifests. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPES.index || mediaType === MEDIA_TYPES.dockerIndex;
}

/** True for one image's manifest. */
export function isManifestType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPES.manifest || mediaType === MEDIA_TYPES.dockerManifest;
}

/** True for an image's configuration. */
export function isConfigType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPES.config || mediaType === MEDIA_TYPES.dockerConfig;
}
