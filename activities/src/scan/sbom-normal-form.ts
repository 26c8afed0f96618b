import { canonicalJson, uuidV5 } from '@sluice/pure';

/** The UUID namespace of serial numbers: version 5 of the URL namespace and `urn:sluice:sbom`. */
const SBOM_NAMESPACE = uuidV5('6ba7b811-9dad-11d1-80b4-00c04fd430c8', 'urn:sluice:sbom');

const RANDOM_REF = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

type Json = Record<string, unknown>;

/** What a CycloneDX document is normalised with. */
export interface SbomIdentity {
  /** Name of the release's component. */
  readonly component: string;
  /** Digest of the image manifest; the serial number is the UUIDv5 of it. */
  readonly imageDigest: string;
  /** RFC 3339; a property of the image, never the present time. */
  readonly createdAt: string;
}

/**
 * A CycloneDX JSON document in the one form that two scans of one image share: serial number and time from
 * the image, random references replaced by named ones, every list sorted.
 * @throws TypeError when it is no CycloneDX JSON document
 */
export function normaliseSbom(document: unknown, identity: SbomIdentity): Json {
  if (!isObject(document) || document['bomFormat'] !== 'CycloneDX') {
    throw new TypeError('The document is no CycloneDX JSON.');
  }
  const metadata = isObject(document['metadata']) ? document['metadata'] : {};
  const root = isObject(metadata['component']) ? metadata['component'] : {};
  const renamed = {
    ...document,
    serialNumber: `urn:uuid:${uuidV5(SBOM_NAMESPACE, identity.imageDigest)}`,
    metadata: {
      ...metadata,
      timestamp: identity.createdAt,
      // The scanner names it after the temporary folder.
      component: { ...root, name: identity.component, version: identity.imageDigest },
    },
  };
  const refs = stableRefs(renamed, identity.imageDigest);
  return sortLists(replaceRefs(renamed, refs)) as Json;
}

/** The number of components that a CycloneDX document lists; 0 when it lists none. */
export function countComponents(document: unknown): number {
  if (!isObject(document)) return 0;
  const components = document['components'];
  return Array.isArray(components) ? components.length : 0;
}

/** Random references of components, each with a name made of the component's own content. */
function stableRefs(document: Json, imageDigest: string): ReadonlyMap<string, string> {
  const metadata = isObject(document['metadata']) ? document['metadata'] : {};
  const components = [
    metadata['component'],
    ...(Array.isArray(document['components']) ? document['components'] : []),
  ].filter(isObject);
  const random = components
    .filter((c) => typeof c['bom-ref'] === 'string' && RANDOM_REF.test(c['bom-ref']))
    .map((c) => {
      const { 'bom-ref': ref, ...content } = c;
      return { ref: String(ref), content: canonicalJson(sortLists(content)) };
    })
    .sort((a, b) => (a.content < b.content ? -1 : a.content > b.content ? 1 : 0));
  const refs = new Map<string, string>();
  const seen = new Map<string, number>();
  for (const { ref, content } of random) {
    const times = seen.get(content) ?? 0;
    seen.set(content, times + 1);
    refs.set(ref, uuidV5(SBOM_NAMESPACE, `${imageDigest}\0${times}\0${content}`));
  }
  return refs;
}

function replaceRefs(value: unknown, refs: ReadonlyMap<string, string>): unknown {
  if (typeof value === 'string') return refs.get(value) ?? value;
  if (Array.isArray(value)) return value.map((item) => replaceRefs(item, refs));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, replaceRefs(item, refs)]),
  );
}

/** Every list of a CycloneDX document is a set: sorted by its members' canonical form. */
function sortLists(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value
      .map(sortLists)
      .map((item) => ({ item, key: sortKey(item) }))
      .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
      .map(({ item }) => item);
  }
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, sortLists(item)]));
}

function sortKey(item: unknown): string {
  const canonical = canonicalJson(item);
  if (!isObject(item)) return canonical;
  const lead = item['bom-ref'] ?? item['ref'] ?? item['name'];
  return `${typeof lead === 'string' ? lead : ''}\0${canonical}`;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
