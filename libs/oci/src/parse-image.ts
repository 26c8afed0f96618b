import { isDigest } from '@sluice/domain';
import {
  DEFAULT_IMAGE_LIMITS,
  type Descriptor,
  type ImageConfig,
  type ImageIndex,
  type ImageLimits,
  type ImageManifest,
  type Platform,
} from './image-types.ts';
import { findLayerCompression, isConfigType, isManifestType, MEDIA_TYPES } from './media-types.ts';
import { OciError, type OciErrorCode, printable } from './oci-error.ts';

type JsonObject = Readonly<Record<string, unknown>>;
type Fail = (problem: string) => never;

/**
 * Parses an image index or a layout's `index.json`.
 * @param what named in messages: `index.json` or the digest
 * @throws OciError `manifest-too-large`, `manifest-invalid`
 */
export function parseImageIndex(
  bytes: Uint8Array,
  what: string,
  limits: ImageLimits = DEFAULT_IMAGE_LIMITS,
): ImageIndex {
  const fail = failWith('manifest-invalid', `Index ${what}`);
  const json = parseJson(bytes, limits.maxManifestBytes, `Index ${what}`, 'manifest');
  if (json.schemaVersion !== 2) fail('has no schemaVersion 2');
  const manifests = arrayOf(json.manifests, 'manifests', fail);
  return { manifests: manifests.map((entry, at) => descriptor(entry, `manifests[${at}]`, fail)) };
}

/**
 * Parses an image manifest.
 * @throws OciError `manifest-too-large`, `manifest-invalid`, `media-type-unsupported`, `layer-too-large`
 */
export function parseImageManifest(
  bytes: Uint8Array,
  what: string,
  limits: ImageLimits = DEFAULT_IMAGE_LIMITS,
): ImageManifest {
  const fail = failWith('manifest-invalid', `Manifest ${what}`);
  const json = parseJson(bytes, limits.maxManifestBytes, `Manifest ${what}`, 'manifest');
  if (json.schemaVersion !== 2) fail('has no schemaVersion 2');
  const mediaType = json.mediaType ?? MEDIA_TYPES.manifest;
  if (typeof mediaType !== 'string') fail('has a mediaType that is no text');
  if (!isManifestType(mediaType as string)) {
    throw unsupported(`Manifest ${what}`, mediaType as string, 'an OCI image manifest');
  }
  // A document that is a manifest and an index at once is read differently by different tools.
  if (json.manifests !== undefined) fail('has manifests like an index');
  const config = descriptor(json.config, 'config', fail);
  if (!isConfigType(config.mediaType)) {
    throw unsupported(`Config of ${what}`, config.mediaType, 'an OCI image configuration');
  }
  if (config.size > limits.maxConfigBytes) {
    throw new OciError(
      'config-too-large',
      `Config of ${what} has ${config.size} bytes; at most ${limits.maxConfigBytes} are read.`,
      { digest: config.digest },
    );
  }
  const layers = arrayOf(json.layers, 'layers', fail).map((entry, at) =>
    descriptor(entry, `layers[${at}]`, fail),
  );
  if (layers.length > limits.maxLayers) {
    fail(`has ${layers.length} layers, more than ${limits.maxLayers}`);
  }
  for (const layer of layers) {
    if (findLayerCompression(layer.mediaType) === undefined) {
      throw unsupported(`Layer ${layer.digest}`, layer.mediaType, 'tar or tar+gzip', layer.digest);
    }
    if (layer.size > limits.maxLayerBytes) {
      throw new OciError(
        'layer-too-large',
        `Layer ${layer.digest} has ${layer.size} bytes; at most ${limits.maxLayerBytes} are taken. Make the image smaller.`,
        { digest: layer.digest },
      );
    }
  }
  return { mediaType: mediaType as string, config, layers };
}

/**
 * Parses an image configuration.
 * @throws OciError `config-too-large`, `config-invalid`
 */
export function parseImageConfig(
  bytes: Uint8Array,
  what: string,
  limits: ImageLimits = DEFAULT_IMAGE_LIMITS,
): ImageConfig {
  const fail = failWith('config-invalid', `Config ${what}`);
  const json = parseJson(bytes, limits.maxConfigBytes, `Config ${what}`, 'config');
  const os = json.os;
  const architecture = json.architecture;
  if (typeof os !== 'string' || typeof architecture !== 'string') {
    return fail('does not name os and architecture');
  }
  const rootfs = objectOf(json.rootfs, 'rootfs', fail);
  if (rootfs.type !== 'layers') fail('has a rootfs that is not of type layers');
  const diffIds = textsOf(rootfs.diff_ids, 'rootfs.diff_ids', fail);
  if (!diffIds.every(isDigest)) fail('has a diff_id that is no sha256 digest');
  const run = json.config == null ? {} : objectOf(json.config, 'config', fail);
  const env = textsOf(run.Env ?? [], 'config.Env', fail);
  if (!env.every((line) => line.indexOf('=') > 0)) fail('has an Env line without NAME=');
  return {
    os,
    architecture,
    entrypoint: textsOf(run.Entrypoint ?? [], 'config.Entrypoint', fail),
    cmd: textsOf(run.Cmd ?? [], 'config.Cmd', fail),
    env,
    diffIds,
  };
}

function parseJson(
  bytes: Uint8Array,
  limit: number,
  what: string,
  kind: 'manifest' | 'config',
): JsonObject {
  if (bytes.byteLength > limit) {
    throw new OciError(
      `${kind}-too-large`,
      `${what} has more than ${limit} bytes; it is not read. Rebuild the image.`,
    );
  }
  const fail = failWith(`${kind}-invalid`, what);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    fail('is no JSON');
  }
  return objectOf(json, 'document', fail);
}

function descriptor(value: unknown, field: string, fail: Fail): Descriptor {
  const json = objectOf(value, field, fail);
  const { mediaType, digest, size } = json;
  if (typeof mediaType !== 'string' || mediaType === '') return fail(`${field} has no mediaType`);
  if (typeof digest !== 'string' || !isDigest(digest)) {
    return fail(`${field} has no sha256 digest; other algorithms are not accepted`);
  }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    return fail(`${field} has no size in bytes`);
  }
  return {
    mediaType,
    digest,
    size,
    annotations: annotationsOf(json.annotations, field, fail),
    platform: platformOf(json.platform, field, fail),
  };
}

function annotationsOf(value: unknown, field: string, fail: Fail): Record<string, string> {
  if (value == null) return {};
  const entries = Object.entries(objectOf(value, `${field}.annotations`, fail));
  for (const [, text] of entries) {
    if (typeof text !== 'string') fail(`${field} has an annotation that is no text`);
  }
  return Object.fromEntries(entries) as Record<string, string>;
}

function platformOf(value: unknown, field: string, fail: Fail): Platform | null {
  if (value == null) return null;
  const { os, architecture } = objectOf(value, `${field}.platform`, fail);
  if (typeof os !== 'string' || typeof architecture !== 'string') {
    return fail(`${field}.platform does not name os and architecture`);
  }
  return { os, architecture };
}

function objectOf(value: unknown, field: string, fail: Fail): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return fail(`${field} is no object`);
  }
  return value as JsonObject;
}

function arrayOf(value: unknown, field: string, fail: Fail): readonly unknown[] {
  return Array.isArray(value) ? value : fail(`${field} is no list`);
}

function textsOf(value: unknown, field: string, fail: Fail): readonly string[] {
  const items = arrayOf(value, field, fail);
  if (!items.every((item) => typeof item === 'string' && !item.includes('\0'))) {
    fail(`${field} is no list of texts`);
  }
  return items as readonly string[];
}

function failWith(code: OciErrorCode, what: string): Fail {
  return (problem) => {
    throw new OciError(code, `${what}: ${problem}. Rebuild the image or choose another.`);
  };
}

function unsupported(what: string, mediaType: string, wanted: string, digest?: string): OciError {
  const hint = mediaType.endsWith('+zstd')
    ? ' Zstandard layers can not be unpacked yet: build with gzip compression.'
    : '';
  return new OciError(
    'media-type-unsupported',
    `${what} is of type "${printable(mediaType)}", not ${wanted}.${hint}`,
    digest === undefined ? {} : { digest },
  );
}
