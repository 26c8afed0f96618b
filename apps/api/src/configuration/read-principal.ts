import { isDigest, PRINCIPAL_KINDS, ROLES } from '@sluice/domain';
import type { PrincipalConfiguration } from './configuration.ts';
import { join, type ValueReader } from './value-reader.ts';

const MAX_ENTRIES = 1000;
const MAX_TOKENS = 20;
const KEYS = ['name', 'role', 'kind', 'owner', 'tokenHash', 'tokenHashes'];

interface Token {
  readonly path: string;
  readonly hash: string;
}

/** Reads the principals of a configuration. */
export function readPrincipals(
  reader: ValueReader,
  value: unknown,
): readonly PrincipalConfiguration[] {
  const tokens: Token[] = [];
  const principals = reader
    .list(value, 'principals', MAX_ENTRIES)
    .map((entry, index) => readPrincipal(reader, entry, `principals[${index}]`, tokens));
  reader.unique(
    principals.map(({ name }) => name),
    (index) => `principals[${index}].name`,
  );
  reader.unique(
    tokens.map(({ hash }) => hash),
    (index) => tokens[index]?.path ?? '',
  );
  const people = new Set(
    principals.filter(({ kind }) => kind === 'person').map(({ name }) => name),
  );
  for (const [index, { owner }] of principals.entries()) {
    if (owner === null || owner === '' || people.has(owner)) continue;
    reader.refuse(
      `principals[${index}].owner`,
      `is ${JSON.stringify(owner)}`,
      'write the name of a principal of this file that is a person',
    );
  }
  return principals;
}

function readPrincipal(
  reader: ValueReader,
  value: unknown,
  path: string,
  tokens: Token[],
): PrincipalConfiguration {
  const entry = reader.mapping(value, path, KEYS);
  const kind = reader.word(
    entry.kind === undefined ? 'person' : entry.kind,
    join(path, 'kind'),
    PRINCIPAL_KINDS,
  );
  const own = readTokens(reader, entry.tokenHash, entry.tokenHashes, path);
  tokens.push(...own);
  return {
    name: reader.text(
      entry.name,
      join(path, 'name'),
      isPrincipalName,
      'write letters, digits, @ . _ -, at most 128',
    ),
    role: reader.word(entry.role, join(path, 'role'), ROLES),
    kind,
    owner: readOwner(reader, entry.owner, join(path, 'owner'), kind),
    tokenHashes: own.map(({ hash }) => hash),
  };
}

function readOwner(
  reader: ValueReader,
  value: unknown,
  path: string,
  kind: PrincipalConfiguration['kind'],
): string | null {
  if (kind === 'service') {
    return reader.text(value, path, isPrincipalName, 'write the person who answers for it');
  }
  if (value !== undefined) {
    reader.refuse(path, 'a person has no owner', 'remove it, or write kind: service');
  }
  return null;
}

function readTokens(
  reader: ValueReader,
  one: unknown,
  many: unknown,
  path: string,
): readonly Token[] {
  const read = (value: unknown, place: string): Token => ({
    path: place,
    hash: reader.text(
      value,
      place,
      isDigest,
      "write sha256: and the token's SHA-256 in 64 hex digits",
    ),
  });
  if (many === undefined) return [read(one, join(path, 'tokenHash'))];
  const place = join(path, 'tokenHashes');
  if (one !== undefined) {
    reader.refuse(join(path, 'tokenHash'), 'stands beside tokenHashes', 'write one of the two');
  }
  if (Array.isArray(many) && many.length === 0) {
    reader.refuse(place, 'is an empty list', 'write one hash at least');
  }
  return reader
    .list(many, place, MAX_TOKENS)
    .map((hash, index) => read(hash, `${place}[${index}]`));
}

function isPrincipalName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9@._-]{0,127}$/.test(text);
}
