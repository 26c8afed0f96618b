/** What a component can be; see the design's model. */
export const COMPONENT_KINDS = ['oci', 'nix', 'config', 'policy', 'change'] as const;

/** One of {@link COMPONENT_KINDS}. */
export type ComponentKind = (typeof COMPONENT_KINDS)[number];

/** A named thing that can be released, at one exact content. */
export interface Component {
  /** A DNS label, unique in its release. */
  readonly name: string;
  readonly kind: ComponentKind;
  /** `sha256:…` of the content: for `oci` the digest of the image manifest. */
  readonly digest: string;
  /** What people call it: the tag or version that was resolved to {@link digest} once. */
  readonly version: string;
}
