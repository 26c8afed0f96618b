import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { getTool } from '@sluice/infra';
import { build } from '../build.ts';
import { sumPath } from '../nar/nar-digest.ts';
import { listPathInfos } from '../path-info.ts';
import { type NixBench, openNixBench, packageOf, removeTree } from '../testing/nix-bench.ts';
import { DEFAULT_CLOSURE_LIMITS } from './closure-limits.ts';
import { tarHeader } from './closure-tar.ts';
import { type ClosureArchive, writeClosure } from './export-closure.ts';
import { readClosure } from './read-closure.ts';
import { exportClosure, importClosure } from './store-closure.ts';
import { unpackClosure } from './unpack-closure.ts';

const run = promisify(execFile);

let bench: NixBench;
let app: string;
let bytes: Buffer;
let archive: ClosureArchive;

beforeAll(async () => {
  bench = await openNixBench((await getTool('nix')).path);
  await bench.writeFlake({
    dep: `sh "dep" "mkdir $out; echo hello from dep > $out/words; ln -s words $out/again" {}`,
    app: `sh "app" ''
      mkdir -p $out/bin; ln -s $dep/again $out/words; ln -s ../bin $out/bin/here
      printf '#!/bin/sh\\nexec /bin/cat %s\\n' $out/words > $out/bin/start; chmod +x $out/bin/start
    '' { inherit (packages) dep; }`,
    text: `sh "text" "echo $dep > $out" { inherit (packages) dep; }`,
    out: `sh "out" "mkdir $out; ln -s /etc/passwd $out/passwd" {}`,
  });
  app = await buildOne('app');
  [bytes, archive] = await exported(app);
}, 600_000);

afterAll(() => bench.close());

async function buildOne(name: string): Promise<string> {
  const source = { flake: bench.flake, attribute: packageOf(name) };
  const { outputs } = await build(bench.nix, source);
  return outputs[0]?.storePath as string;
}

function exported(path: string): Promise<[Buffer, ClosureArchive]> {
  return written((target) => exportClosure(bench.nix, [path], target));
}

async function written(
  write: (target: Writable) => Promise<ClosureArchive>,
): Promise<[Buffer, ClosureArchive]> {
  const chunks: Buffer[] = [];
  const target = new Writable({
    write(chunk: Buffer, _, done) {
      chunks.push(chunk);
      done();
    },
  });
  const result = await write(target);
  return [Buffer.concat(chunks), result];
}

/** Bytes in pieces of this size. */
async function* inPieces(content: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}

function digestOf(content: Uint8Array): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

test('an archive is the same each time, says its digest and size, and tar can list it', async () => {
  expect(archive).toMatchObject({ digest: digestOf(bytes), size: bytes.length, roots: [app] });
  expect(archive.members).toHaveLength(2);
  const [again] = await exported(app);
  expect(again.equals(bytes)).toBe(true);
  const file = join(bench.folder, 'closure.tar');
  await writeFile(file, bytes);
  const { stdout } = await run('tar', ['--list', '--file', file]);
  const names = stdout.trim().split('\n');
  expect(names[0]).toBe('nix-cache-info');
  expect(names.filter((name) => name.endsWith('.narinfo'))).toHaveLength(2);
  expect(names.filter((name) => name.startsWith('nar/'))).toHaveLength(2);
});

test('Nix itself takes the unpacked archive as a binary cache', async () => {
  const folder = join(bench.folder, 'cache');
  await mkdir(folder);
  await run('tar', ['--extract', '--file', join(bench.folder, 'closure.tar'), '-C', folder]);
  const other = await importInto(folder);
  expect(other).toEqual(archive.members);
});

/** Moves the store away, lets Nix copy from the cache into an empty one, and moves the store back. */
async function importInto(cache: string): Promise<unknown> {
  return withEmptyStore(async () => {
    const { nix } = bench;
    const env = {
      PATH: nix.searchPath,
      HOME: bench.folder,
      NIX_STORE_DIR: `${bench.folder}/nix/store`,
      NIX_STATE_DIR: `${bench.folder}/nix/var/nix`,
      NIX_CONFIG:
        'build-users-group =\nexperimental-features = nix-command flakes\nsubstituters =\n',
    };
    await run(nix.executable, ['copy', '--no-check-sigs', '--from', `file://${cache}`, app], {
      env,
    });
    const infos = await listPathInfos(nix, [app], { closure: true });
    return sorted(infos.map(({ deriver: _, ...member }) => member));
  });
}

function sorted<T extends { readonly storePath: string }>(members: readonly T[]): readonly T[] {
  return [...members].sort((a, b) => (a.storePath < b.storePath ? -1 : 1));
}

async function withEmptyStore<T>(action: () => Promise<T>): Promise<T> {
  const store = join(bench.folder, 'nix');
  await rename(store, `${store}.away`);
  try {
    return await action();
  } finally {
    await removeTree(store).catch(() => undefined);
    await rename(`${store}.away`, store);
  }
}

test('an empty store of the same name takes an archive, and bin/start starts', async () => {
  await withEmptyStore(async () => {
    const result = await importClosure(bench.nix, inPieces(bytes), { digest: archive.digest });
    expect(result).toEqual(archive);
    expect(await sumPath(app)).toMatchObject({ size: memberOf(app)?.narSize });
    expect((await run(join(app, 'bin/start'), [])).stdout).toBe('hello from dep\n');
    await importClosure(bench.nix, inPieces(bytes), { digest: archive.digest });
  });
});

function memberOf(storePath: string) {
  return archive.members.find((member) => member.storePath === storePath);
}

test('without Nix an archive is unpacked into the store folder, and bin/start starts', async () => {
  await withEmptyStore(async () => {
    const folder = join(bench.folder, 'nix/store');
    const options = {
      folder,
      expected: { digest: archive.digest, storePath: app, narHash: memberOf(app)?.narHash ?? '' },
    };
    expect(await unpackClosure(inPieces(bytes, 7), options)).toEqual({ ...archive, present: [] });
    expect((await run(join(app, 'bin/start'), [])).stdout).toBe('hello from dep\n');
    for (const member of archive.members) {
      expect((await sumPath(member.storePath)).hash.digest).toBe(member.narHash);
      expect(await lstat(member.storePath)).toMatchObject({ mtimeMs: 1000 });
    }
    expect((await readdir(folder)).sort()).toEqual(
      archive.members.map((member) => member.storePath.slice(folder.length + 1)).sort(),
    );
    const again = await unpackClosure(inPieces(bytes), options);
    expect(again.present).toHaveLength(2);
  });
});

test('a store below another root takes an archive of /nix/store and gives the same one back', async () => {
  const storeDir = '/nix/store';
  const folder = join(bench.folder, 'by hand');
  const [first, second] = [`${'1'.repeat(32)}-first`, `${'2'.repeat(32)}-second`];
  await mkdir(join(folder, second, 'bin'), { recursive: true });
  await writeFile(join(folder, first), 'text');
  await writeFile(join(folder, second, 'bin', 'start'), `cat ${storeDir}/${first}`, {
    mode: 0o755,
  });
  const memberAt = async (baseName: string, references: readonly string[]) => {
    const { hash, size } = await sumPath(join(folder, baseName));
    return {
      storePath: `${storeDir}/${baseName}`,
      narHash: hash.digest,
      narSize: size,
      references,
    };
  };
  const members = [await memberAt(second, [`${storeDir}/${first}`]), await memberAt(first, [])];
  const [content, made] = await written((target) =>
    writeClosure({ storeDir, folder, members }, target),
  );
  const root = join(bench.folder, 'root');
  const other = await bench.nixWith({ store: { kind: 'root', root } });
  await importClosure(other, inPieces(content), { digest: made.digest });
  expect(await readFile(`${root}${storeDir}/${first}`, 'utf8')).toBe('text');
  const [, again] = await written((target) =>
    exportClosure(other, [`${storeDir}/${second}`], target),
  );
  expect(again).toEqual(made);
});

test('what has the place of a store path is left alone', async () => {
  const folder = join(bench.folder, 'taken');
  const place = join(folder, app.slice(app.lastIndexOf('/') + 1));
  await mkdir(folder);
  await writeFile(place, 'in use');
  await expect(
    unpackClosure(inPieces(bytes), { folder, expected: { digest: archive.digest } }),
  ).rejects.toMatchObject({ code: 'store-path-differs' });
  expect(await readdir(folder)).toHaveLength(1);
  expect(await readFile(place, 'utf8')).toBe('in use');
});

test('a store of another name does not take an archive, nor does a Nix whose store is elsewhere', async () => {
  const folder = join(bench.folder, 'other');
  await expect(
    unpackClosure(inPieces(bytes), {
      folder,
      storeDir: '/nix/store',
      expected: { digest: archive.digest },
    }),
  ).rejects.toMatchObject({ code: 'closure-store-differs' });
  const other = await bench.nixWith({
    store: { kind: 'root', root: join(bench.folder, 'rooted') },
  });
  await expect(
    importClosure(other, inPieces(bytes), { digest: archive.digest }),
  ).rejects.toMatchObject({ code: 'closure-store-differs' });
});

test('a link out of the closure is refused before anything can be seen', async () => {
  const [content, { digest }] = await exported(await buildOne('out'));
  const folder = join(bench.folder, 'escaped');
  await expect(
    unpackClosure(inPieces(content), { folder, expected: { digest } }),
  ).rejects.toMatchObject({ code: 'nar-link-escapes', detail: { path: expect.any(String) } });
  expect(await readdir(folder)).toEqual([]);
});

test('a store path that was changed is not exported', async () => {
  const path = await buildOne('dep');
  await chmod(join(path, 'words'), 0o644);
  const words = await readFile(join(path, 'words'));
  await writeFile(join(path, 'words'), 'HELLO from dep\n');
  await expect(exported(app)).rejects.toMatchObject({ code: 'store-path-corrupt' });
  await writeFile(join(path, 'words'), words);
  await chmod(join(path, 'words'), 0o444);
});

describe('an archive that was tampered with', () => {
  const nothing = { begin: async () => {}, member: drain };

  async function drain(_: unknown, events: AsyncIterable<unknown>): Promise<void> {
    const iterator = events[Symbol.asyncIterator]();
    while ((await iterator.next()).done !== true);
  }

  test('is refused wherever one bit is flipped, at that byte or later, with nothing to be seen', async () => {
    // Each of these bytes has another meaning; all of them would take a minute.
    for (let at = 0; at < bytes.length; at += 97) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      const error = await readClosure(inPieces(changed), { digest: archive.digest }, nothing).catch(
        (caught: unknown) => caught,
      );
      expect([at, error]).toEqual([at, expect.objectContaining({ name: 'NixError' })]);
    }
  });

  test.each([0, 1, 512, 3000, -1, -512, -1024])('is refused when it is cut at %d', async (at) => {
    await expect(
      readClosure(inPieces(bytes.subarray(0, at)), { digest: archive.digest }, nothing),
    ).rejects.toMatchObject({ code: 'closure-truncated' });
  });

  test('is refused when it goes on, is another one, or does not hold what was expected', async () => {
    const read = (content: Buffer, expected: object) =>
      readClosure(inPieces(content), { digest: digestOf(content), ...expected }, nothing);
    await expect(read(Buffer.concat([bytes, Buffer.alloc(512)]), {})).rejects.toMatchObject({
      code: 'closure-invalid',
      detail: { offset: bytes.length + 1 },
    });
    const digest = `sha256:${'0'.repeat(64)}`;
    await expect(read(bytes, { digest })).rejects.toMatchObject({
      code: 'closure-digest-mismatch',
    });
    await expect(read(bytes, { storePath: `${app}x` })).rejects.toMatchObject({
      code: 'closure-invalid',
    });
    await expect(read(bytes, { storePath: app, narHash: digest })).rejects.toMatchObject({
      code: 'closure-nar-mismatch',
    });
  });

  test('is refused by its index when it is too large, before a NAR is read', async () => {
    const limits = [
      { ...DEFAULT_CLOSURE_LIMITS, maxBytes: bytes.length - 1 },
      { ...DEFAULT_CLOSURE_LIMITS, maxPaths: 1 },
      { ...DEFAULT_CLOSURE_LIMITS, maxNarinfoBytes: 10 },
      { ...DEFAULT_CLOSURE_LIMITS, nar: { ...DEFAULT_CLOSURE_LIMITS.nar, maxBytes: 10 } },
    ];
    for (const limit of limits) {
      await expect(
        readClosure(inPieces(bytes), { digest: archive.digest }, nothing, limit),
      ).rejects.toMatchObject({ code: 'closure-too-large' });
    }
  });

  test('is refused at the first byte of what is foreign to it', async () => {
    const foreign = Buffer.concat([tarHeader('../../etc/passwd', 0), bytes]);
    await expect(
      readClosure(inPieces(foreign), { digest: digestOf(foreign) }, nothing),
    ).rejects.toMatchObject({ code: 'closure-invalid', detail: { offset: 512 } });
  });

  test.each([
    [
      'leaves out a reference',
      'text',
      / [0-9a-z]{32}-dep(?=\n)/,
      ' ',
      'closure-reference-undeclared',
    ],
    [
      'leaves out where a link leads',
      'app',
      /(?<=: )[0-9a-z]{32}-dep | [0-9a-z]{32}-dep(?=\n)/,
      '',
      'nar-link-escapes',
    ],
    [
      'refers to what is not there',
      'text',
      /( [0-9a-z]{32})-dep(?=\n)/,
      '$1-deq',
      'closure-reference-missing',
    ],
    [
      'refers to what is no store path',
      'text',
      / [0-9a-z]{32}-dep(?=\n)/,
      ' ../../etc',
      'closure-invalid',
    ],
    ['is of another store', 'text', /StorePath: /, 'StorePath: /x', 'store-path-invalid'],
    ['has another line', 'text', /Compression/, 'Deriver: x\nCompression', 'closure-invalid'],
    ['has another hash', 'text', /(NarHash: sha256:.*)../, '$100', 'closure-nar-mismatch'],
    ['has another size', 'text', /(NarSize: .*)./, '$10', 'closure-invalid'],
  ])('is refused when a narinfo %s', async (_, name, pattern, replacement, code) => {
    const [content] = await exported(await buildOne(name));
    const changed = rewriteNarinfos(content, pattern, replacement);
    expect(changed.equals(content)).toBe(false);
    await expect(
      readClosure(inPieces(changed), { digest: digestOf(changed) }, nothing),
    ).rejects.toMatchObject({ code });
  });
});

/** An archive with other narinfos, whose headers and padding are right. */
function rewriteNarinfos(content: Buffer, pattern: RegExp, replacement: string): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < content.length - 1024; ) {
    const name = content.toString('latin1', at, at + 100).replace(/\0+$/, '');
    const size = Number.parseInt(content.toString('latin1', at + 124, at + 135), 8);
    let body = content.subarray(at + 512, at + 512 + size);
    if (name.endsWith('.narinfo')) {
      body = Buffer.from(body.toString('latin1').replace(pattern, replacement), 'latin1');
    }
    const padding = Buffer.alloc((512 - (body.length % 512)) % 512);
    parts.push(tarHeader(name, body.length), body, padding);
    at += 512 + size + ((512 - (size % 512)) % 512);
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}
