/** Names one blob: what it is, its SHA-256 and its size in bytes. */
export interface Descriptor {
  readonly mediaType: string;
  /** `sha256:<64 hex>`; no other algorithm is accepted. */
  readonly digest: string;
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
  /** Only in an index, and not always there. */
  readonly platform: Platform | null;
}

/** What a manifest of an index was built for. */
export interface Platform {
  readonly os: string;
  /** Go's names: `amd64`, `arm64`. */
  readonly architecture: string;
}

/** An OCI image index, or a layout's `index.json`. */
export interface ImageIndex {
  readonly manifests: readonly Descriptor[];
}

/** An OCI image manifest. */
export interface ImageManifest {
  readonly mediaType: string;
  readonly config: Descriptor;
  /** Lowest layer first. */
  readonly layers: readonly Descriptor[];
}

/** What of an OCI image configuration is used. */
export interface ImageConfig {
  readonly os: string;
  readonly architecture: string;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** `NAME=value` lines as the image has them. */
  readonly env: readonly string[];
  /** SHA-256 of each layer's uncompressed tar, lowest first. */
  readonly diffIds: readonly string[];
}

/** Bounds of what is read. Sizes in bytes. */
export interface ImageLimits {
  readonly maxManifestBytes: number;
  readonly maxConfigBytes: number;
  readonly maxLayers: number;
  /** Of one layer, as it is stored. */
  readonly maxLayerBytes: number;
}

/** What holds unless a caller asks for less. */
export const DEFAULT_IMAGE_LIMITS: ImageLimits = {
  maxManifestBytes: 4 * 1024 * 1024,
  maxConfigBytes: 4 * 1024 * 1024,
  maxLayers: 127,
  maxLayerBytes: 2 * 1024 * 1024 * 1024,
};
