import { NixError, printable } from '../nix-error.ts';
import { encodeNix32, parseNarHash } from '../nix-hash.ts';
import { findStoreName, parseStorePath } from '../store-path.ts';

/** What a closure says of one of its store paths. */
export interface ClosureMember {
  readonly storePath: string;
  /** `sha256:<64 hex digits>` of its NAR. */
  readonly narHash: string;
  /** Bytes of its NAR. */
  readonly narSize: number;
  /** Store paths that it refers to, sorted; itself among them when it refers to itself. */
  readonly references: readonly string[];
}

const SHAPE =
  /^StorePath: (\S+)\nURL: (\S+)\nCompression: none\nNarHash: (sha256:\S+)\nNarSize: ([1-9][0-9]{0,15})\nReferences: ?(.*)\n$/;

/** Name of a member's NAR in an archive. */
export function narNameOf(hash: string): string {
  return `nar/${hash}.nar`;
}

/** The `.narinfo` of a member, as Nix' binary caches have it; of each member there is one spelling. */
export function formatNarinfo(member: ClosureMember, storeDir: string): string {
  const { hash } = parseStorePath(member.storePath, storeDir);
  const sha256 = Buffer.from(member.narHash.slice('sha256:'.length), 'hex');
  const references = member.references.map((path) => parseStorePath(path, storeDir).baseName);
  return [
    `StorePath: ${member.storePath}`,
    `URL: ${narNameOf(hash)}`,
    'Compression: none',
    `NarHash: sha256:${encodeNix32(sha256)}`,
    `NarSize: ${member.narSize}`,
    `References: ${references.join(' ')}`,
    '',
  ].join('\n');
}

/**
 * Reads what {@link formatNarinfo} writes, and nothing else.
 * @param offset number of its first byte in the archive, for messages
 * @throws NixError `closure-invalid`
 */
export function parseNarinfo(text: string, storeDir: string, offset: number): ClosureMember {
  const fail = (problem: string): never => {
    throw new NixError(
      'closure-invalid',
      `The closure is refused at byte ${offset}: its narinfo ${problem}. Export it again with Sluice.`,
      { offset },
    );
  };
  const match = SHAPE.exec(text);
  if (match === null) return fail('has not the form that Sluice writes');
  const [, storePath = '', , narHash = '', narSize = '', list = ''] = match;
  const references = list === '' ? [] : list.split(' ');
  for (const reference of references) {
    if (findStoreName(reference, storeDir) === undefined) {
      fail(`refers to "${printable(reference)}", which is no store path`);
    }
  }
  const member: ClosureMember = {
    storePath: parseStorePath(storePath, storeDir).path,
    narHash: parseNarHash(narHash).digest,
    narSize: Number(narSize),
    references: references.map((reference) => `${storeDir}/${reference}`),
  };
  if (references.some((reference, at) => at > 0 && reference <= (references[at - 1] as string))) {
    fail('has references out of order');
  }
  if (formatNarinfo(member, storeDir) !== text) fail('has not the form that Sluice writes');
  return member;
}
