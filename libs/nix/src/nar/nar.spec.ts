import { execFile } from 'node:child_process';
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { getTool } from '@sluice/infra';
import { getNix, type Nix } from '../nix.ts';
import { parseNarHash } from '../nix-hash.ts';
import { removeTree } from '../testing/nix-bench.ts';
import { sumPath } from './nar-digest.ts';
import { checkLinks } from './nar-links.ts';
import { type NarEvent, readNar } from './read-nar.ts';
import { restoreNar } from './restore-nar.ts';
import { writeNar } from './write-nar.ts';

const run = promisify(execFile);
const SEED = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1_000_000);

let folder: string;
let nix: Nix;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-nar-'));
  nix = await getNix({ executable: (await getTool('nix')).path, scratch: join(folder, 'scratch') });
}, 600_000);
afterAll(() => removeTree(folder));

/** What the real Nix makes of a path. */
async function dump(path: string): Promise<Buffer> {
  const options = { encoding: 'buffer', maxBuffer: 64 * 1024 * 1024, env: {} } as const;
  return (await run(nix.storeExecutable, ['--dump', path], options)).stdout;
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* pieces(bytes: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(bytes: Uint8Array): Promise<readonly NarEvent[]> {
  const events: NarEvent[] = [];
  for await (const event of readNar(pieces(bytes))) events.push(event);
  return events;
}

/** Numbers from 0 to `below` that a seed determines. */
function chance(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const NAMES = [
  'a',
  'A',
  'b b',
  'ä',
  'a\u0308',
  '-x',
  '.hidden',
  'z'.repeat(255),
  '\u{1f680}',
  '\uff5e',
  '\ue000',
  'a\nb',
  '%2e',
  '\\',
  '~',
];

/** Writes a random tree. */
async function grow(path: string, pick: (below: number) => number, depth: number): Promise<void> {
  const kind = pick(depth > 3 ? 3 : 6);
  if (kind === 0) return symlink(['x', '../y', '/abs/ö', 'z'.repeat(300)][pick(4)] as string, path);
  if (kind <= 2) {
    const size = [0, 1, 7, 8, 9, 4096, 300_000][pick(7)] as number;
    await writeFile(path, Buffer.alloc(size, pick(256)));
    return chmod(path, [0o644, 0o755, 0o400, 0o500, 0o655, 0o544][pick(6)] as number);
  }
  await mkdir(path);
  const names = new Set(Array.from({ length: pick(6) }, () => NAMES[pick(NAMES.length)] as string));
  for (const name of names) await grow(join(path, name), pick, depth + 1);
}

test(`random trees have the bytes and the hash that Nix gives them (SLUICE_SEED=${SEED})`, async () => {
  const pick = chance(SEED);
  for (let round = 0; round < 25; round += 1) {
    const path = join(folder, `tree-${round}`);
    await grow(path, pick, round % 4);
    const ours = await collect(writeNar(path));
    const theirs = await dump(path);
    expect([round, ours.equals(theirs)]).toEqual([round, true]);

    const back = join(folder, `back-${round}`);
    await restoreNar(readNar(pieces(theirs, 1 + pick(5000))), back);
    expect([round, (await dump(back)).equals(theirs)]).toEqual([round, true]);
  }
});

test('the hash of a path is what `nix hash path` says, in each form', async () => {
  const path = join(folder, 'hashed');
  await mkdir(path);
  await writeFile(join(path, 'file'), 'content');
  const sum = await sumPath(path);
  for (const form of ['--sri', '--base16', '--base32']) {
    const env = { NIX_CONFIG: 'experimental-features = nix-command', HOME: folder };
    const { stdout } = await run(nix.executable, ['hash', 'path', form, path], { env });
    const text = form === '--sri' ? stdout.trim() : `sha256:${stdout.trim()}`;
    expect(parseNarHash(text)).toEqual(sum.hash);
  }
});

test.each([
  'sha256-AAAA',
  `sha256:${'0'.repeat(51)}`,
  `sha256:z${'0'.repeat(51)}`,
  `sha256:${'E'.repeat(52)}`,
  `sha256:${'A'.repeat(64)}`,
  `sha512-${'A'.repeat(43)}=`,
  `sha256-${'A'.repeat(42)}B=`,
  '',
])('"%s" is no NAR hash', (text) => {
  expect(() => parseNarHash(text)).toThrow(expect.objectContaining({ code: 'nix-input-invalid' }));
});

test('a restored tree is as Nix leaves it: read-only, of the epoch', async () => {
  const path = join(folder, 'restored');
  const file = node('regular', 'executable', '', 'contents', '#!/bin/sh\n');
  await restoreNar(readNar(pieces(nar(directory(['f', file], ['l', link('f')])))), path);
  const [top, start] = [await lstat(path), await lstat(join(path, 'f'))];
  expect([top.mode & 0o7777, start.mode & 0o7777]).toEqual([0o555, 0o555]);
  expect([top.mtimeMs, start.mtimeMs, (await lstat(join(path, 'l'))).mtimeMs]).toEqual([
    1000, 1000, 1000,
  ]);
  expect(await readlink(join(path, 'l'))).toBe('f');
  expect(await readFile(join(path, 'f'), 'utf8')).toBe('#!/bin/sh\n');
});

test('nothing is written over what is there', async () => {
  const place = join(folder, 'there');
  await symlink('/etc', place);
  for (const tree of [directory(['passwd', regular('x')]), regular('x'), link('x')]) {
    await expect(restoreNar(readNar(pieces(nar(tree))), place)).rejects.toMatchObject({
      code: 'nar-name-collides',
    });
  }
});

test('devices, sockets and pipes do not become a NAR', async () => {
  await expect(collect(writeNar('/dev/null'))).rejects.toMatchObject({
    code: 'store-path-unreadable',
  });
  await expect(collect(writeNar(join(folder, 'nope')))).rejects.toMatchObject({
    code: 'store-path-unreadable',
  });
  const path = join(folder, 'latin');
  await mkdir(path);
  await writeFile(Buffer.concat([Buffer.from(`${path}/`), Buffer.from([0xe4])]), '');
  await expect(collect(writeNar(path))).rejects.toMatchObject({ code: 'nar-name-invalid' });
  await rm(path, { recursive: true });
  expect(await readdir(folder)).not.toContain('latin');
});

type Word = string | Buffer;

function word(text: Word): Buffer {
  const bytes = Buffer.from(text as string);
  const length = Buffer.alloc(8);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)]);
}

function words(...list: readonly Word[]): Buffer {
  return Buffer.concat(list.map(word));
}

function node(type: string, ...rest: readonly Word[]): Buffer {
  return words('(', 'type', type, ...rest, ')');
}

function regular(content: Word): Buffer {
  return node('regular', 'contents', content);
}

function link(target: Word): Buffer {
  return node('symlink', 'target', target);
}

function directory(...entries: readonly (readonly [Word, Buffer])[]): Buffer {
  const list = entries.map(([name, tree]) =>
    Buffer.concat([words('entry', '(', 'name', name, 'node'), tree, words(')')]),
  );
  return Buffer.concat([words('(', 'type', 'directory'), ...list, words(')')]);
}

function nar(tree: Buffer): Buffer {
  return Buffer.concat([words('nix-archive-1'), tree]);
}

function nested(depth: number): Buffer {
  let tree = regular('');
  for (let level = 0; level < depth; level += 1) tree = directory(['d', tree]);
  return tree;
}

function change(bytes: Buffer, at: number, value: number): Buffer {
  const changed = Buffer.from(bytes);
  changed.writeUInt8(value, at < 0 ? bytes.length + at : at);
  return changed;
}

const FILE = regular('abc');
const HUGE = Buffer.from('ffffffffffffff7f', 'hex');

describe('a hostile NAR', () => {
  test.each<[string, string, Buffer]>([
    ['is empty', 'nar-truncated', Buffer.alloc(0)],
    ['has another magic', 'nar-invalid', words('nix-archive-2')],
    ['goes on', 'nar-trailing-bytes', Buffer.concat([nar(FILE), Buffer.alloc(8)])],
    ['ends early', 'nar-truncated', nar(FILE).subarray(0, -1)],
    ['has padding', 'nar-invalid', change(nar(FILE), -17, 1)],
    ['climbs', 'nar-name-invalid', nar(directory(['..', FILE]))],
    ['stays', 'nar-name-invalid', nar(directory(['.', FILE]))],
    ['has no name', 'nar-name-invalid', nar(directory(['', FILE]))],
    ['has a path as a name', 'nar-name-invalid', nar(directory(['a/b', FILE]))],
    ['has an absolute path as a name', 'nar-name-invalid', nar(directory(['/etc', FILE]))],
    ['has a NUL in a name', 'nar-name-invalid', nar(directory(['a\0', FILE]))],
    [
      'has a name that is not UTF-8',
      'nar-name-invalid',
      nar(directory([Buffer.from([0xff]), FILE])),
    ],
    [
      'has an overlong UTF-8 slash',
      'nar-name-invalid',
      nar(directory([Buffer.from([0xc0, 0xaf]), FILE])),
    ],
    ['has a name of 256 bytes', 'nar-invalid', nar(directory(['n'.repeat(256), FILE]))],
    [
      'has a name twice',
      'nar-name-unordered',
      nar(directory(['a', link('/etc')], ['a', directory(['x', FILE])])),
    ],
    ['has names out of order', 'nar-name-unordered', nar(directory(['b', FILE], ['a', FILE]))],
    [
      'orders as JavaScript does',
      'nar-name-unordered',
      nar(directory(['\u{1f680}', FILE], ['\uff5e', FILE])),
    ],
    ['has a case trick', 'nar-name-invalid', nar(directory(['a~nix~case~hack~1', FILE]))],
    ['is a link to nothing', 'nar-invalid', nar(link(''))],
    ['has a link with a NUL', 'nar-invalid', nar(link('a\0b'))],
    ['has a link of 5000 bytes', 'nar-invalid', nar(link('l'.repeat(5000)))],
    ['has an unknown type', 'nar-invalid', nar(node('device'))],
    ['has a file without contents', 'nar-invalid', nar(node('regular'))],
    [
      'has executable something',
      'nar-invalid',
      nar(node('regular', 'executable', 'x', 'contents', '')),
    ],
    [
      'has its words in another order',
      'nar-invalid',
      nar(node('regular', 'contents', '', 'executable', '')),
    ],
    ['has a type twice', 'nar-invalid', nar(node('directory', 'type', 'regular'))],
    [
      'has an entry without a node',
      'nar-invalid',
      nar(node('directory', 'entry', '(', 'name', 'a', ')')),
    ],
    [
      'has an entry with two nodes',
      'nar-invalid',
      nar(
        Buffer.concat([
          words('(', 'type', 'directory', 'entry', '(', 'name', 'a', 'node'),
          FILE,
          words('node'),
          FILE,
          words(')', ')'),
        ]),
      ),
    ],
    [
      'says that it has 2^63 bytes',
      'nar-invalid',
      Buffer.concat([words('nix-archive-1', '(', 'type', 'regular', 'contents'), HUGE]),
    ],
    ['says that a word has 2^63 bytes', 'nar-invalid', HUGE],
    ['is 66 folders deep', 'nar-too-deep', nar(nested(66))],
    ['is 2,000 folders deep', 'nar-too-deep', nar(nested(2000))],
    ['has a path of 4,000 bytes', 'nar-name-invalid', nar(longPath())],
  ])('that %s is refused as %s', async (_, code, bytes) => {
    const error = await read(bytes).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: 'NixError', code, detail: { offset: expect.any(Number) } });
  });

  test('is refused at its bounds', async () => {
    const limits = { maxBytes: 400, maxEntries: 2, maxDepth: 1, maxPathBytes: 5, maxLinkBytes: 5 };
    const refused = async (tree: Buffer, firstByte?: number) => {
      for await (const _ of readNar(pieces(nar(tree)), limits, firstByte));
    };
    await expect(refused(regular(Buffer.alloc(401)))).rejects.toMatchObject({
      code: 'nar-too-large',
    });
    await expect(refused(regular(Buffer.alloc(401)), 9000)).rejects.toMatchObject({
      code: 'nar-too-large',
      detail: { offset: 9000 + 24 + 16 * 4 + 8 },
    });
    await expect(refused(directory(['a', FILE], ['b', FILE]))).rejects.toMatchObject({
      code: 'nar-too-large',
    });
    await expect(refused(directory(['abcdef', FILE]))).rejects.toMatchObject({
      code: 'nar-name-invalid',
    });
    await expect(refused(link('abcdef'))).rejects.toMatchObject({ code: 'nar-invalid' });
  });

  test('with any one byte changed is refused or is another tree', async () => {
    const bytes = nar(directory(['a', regular('abc')], ['b', link('a')], ['c', directory()]));
    const original = JSON.stringify(await read(bytes));
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = change(bytes, at, (bytes[at] as number) ^ 32);
      const outcome = await read(changed).then(
        (events) => JSON.stringify(events),
        (error: { name: string }) => error.name,
      );
      expect([at, outcome === original]).toEqual([at, false]);
    }
  });
});

function longPath(): Buffer {
  let tree = regular('');
  for (let level = 0; level < 20; level += 1) tree = directory(['n'.repeat(200), tree]);
  return tree;
}

const OWN = `${'0'.repeat(32)}-own`;
const REFERENCE = `${'1'.repeat(32)}-other`;
const STRANGER = `${'2'.repeat(32)}-stranger`;

test.each<[readonly string[], string, boolean]>([
  [['l'], 'x', true],
  [['d', 'l'], '../x', true],
  [['d', 'l'], './../x/y', true],
  [['d', 'l'], '..', true],
  [['l'], '..', false],
  [['d', 'l'], '../..', false],
  [['d', 'l'], 'a/../../../etc', false],
  [['d', 'l'], `../../${REFERENCE}/bin`, true],
  [['d', 'l'], `../../${OWN}/bin`, true],
  [['d', 'l'], `../../${STRANGER}`, false],
  [['d', 'l'], '../../.sluice-import-x', false],
  [['d', 'l'], `../../../store/${REFERENCE}`, false],
  [[], 'x', false],
  [[], REFERENCE, true],
  [['l'], `/nix/store/${REFERENCE}/bin`, true],
  [['l'], `/nix/store/${OWN}`, true],
  [['l'], `/nix/store/${STRANGER}`, false],
  [['l'], `/nix/store/${REFERENCE}/../${STRANGER}`, false],
  [['l'], '/nix/store', false],
  [['l'], '/nix/store/', false],
  [['l'], '/nix/store/../../etc', false],
  [['l'], '/nix/storehouse', false],
  [['l'], '/etc/passwd', false],
  [['l'], '/', false],
])('a link at %j to "%s": stays inside is %s', async (names, target, expected) => {
  async function* events(): AsyncGenerator<NarEvent> {
    yield { type: 'symlink', names, target };
  }
  const scope = { storeDir: '/nix/store', baseName: OWN, references: new Set([REFERENCE]) };
  const checked = (async () => {
    for await (const _ of checkLinks(events(), scope));
    return true;
  })();
  await expect(checked.catch((error: { code: string }) => error.code)).resolves.toBe(
    expected ? true : 'nar-link-escapes',
  );
});
