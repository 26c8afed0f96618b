import { createWriteStream } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { CommandPayload } from '@sluice/domain';
import { getTool } from '@sluice/infra';
import { build, composeNixComponent, exportClosure, NIX_COMPONENT_MEDIA_TYPE } from '@sluice/nix';
import { type NixBench, openNixBench, packageOf } from '@sluice/nix/testing';
import { canonicalJson, digestOfBytes } from '@sluice/pure';
import { ProcessBench } from './process-bench.ts';

const SERVER = `
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
const { PORT, VERSION, STARTS, MODE } = process.env;
appendFileSync(STARTS, VERSION + '\\n');
createServer((request, response) => {
  response.statusCode = MODE === 'sick' ? 500 : 200;
  response.end(VERSION);
}).listen(Number(PORT), '127.0.0.1');
`;

const VERSIONS = Array.from({ length: 9 }, (_, at) => `n${at + 1}`);

let bench: ProcessBench;
let nix: NixBench;
const components = new Map<string, { digest: string; size: number; closure: string }>();

beforeAll(async () => {
  nix = await openNixBench((await getTool('nix')).path);
  const app = (version: string) =>
    `sh "app-${version}" ''
      mkdir -p $out/bin
      printf '#!/bin/sh\\nexport VERSION=${version}\\nexec node %s/server.mjs\\n' $server > $out/bin/start
      chmod +x $out/bin/start
    '' { inherit (packages) server; }`;
  await nix.writeFlake({
    server: `sh "server" ''mkdir $out; printf '%s' "$code" > $out/server.mjs'' { code = ${JSON.stringify(SERVER)}; }`,
    ...Object.fromEntries(VERSIONS.map((version) => [`app-${version}`, app(version)])),
  });
  bench = await ProcessBench.make(1);
  for (const version of VERSIONS) await keep(version);
}, 600_000);
afterAll(async () => {
  await bench?.remove();
  await nix?.close();
});

/** Builds a version and lets the control plane give out its document and its archive. */
async function keep(version: string): Promise<void> {
  const attribute = packageOf(`app-${version}`);
  const { outputs } = await build(nix.nix, { flake: nix.flake, attribute });
  const [output] = outputs;
  if (output === undefined) throw new Error(`${version} has no output.`);
  const file = join(nix.folder, `${version}.tar`);
  const closure = await exportClosure(nix.nix, [output.storePath], createWriteStream(file));
  const text = canonicalJson(composeNixComponent(output, closure));
  const digest = digestOfBytes(text);
  bench.plane.exchanged.set(closure.digest, await readFile(file));
  bench.plane.exchanged.set(digest, Buffer.from(text));
  components.set(version, { digest, size: text.length, closure: closure.digest });
}

function payloadOf(version: string, settings: Record<string, string> = {}): CommandPayload {
  const { desired, ...payload } = bench.payloadOf('1', settings);
  if (desired === null) throw new Error('No desired side.');
  const { digest = '', size = 0 } = components.get(version) ?? {};
  const manifest = { mediaType: NIX_COMPONENT_MEDIA_TYPE, digest, size };
  return {
    ...payload,
    desired: {
      ...desired,
      release: { digest: digestOfBytes(version), name: 'app', version },
      components: [{ name: 'app', kind: 'nix', digest, version, manifest }],
    },
  };
}

const GOOD = ['accepted', 'fetching', 'fetched', 'activating', 'activated', 'confirmed'];

async function storePaths(): Promise<readonly string[]> {
  const names = await readdir(join(bench.stateDir, 'nix-store'));
  return names
    .filter((name) => !name.startsWith('.'))
    .map((name) => name.slice(33))
    .sort();
}

test('a release that Nix built is fetched over the agent’s own channel, started and confirmed', async () => {
  await bench.start();
  const command = bench.plane.dispatch(payloadOf('n1'));
  expect(await bench.plane.finalReport(command.sequence)).toMatchObject({
    stage: 'confirmed',
    activeRelease: digestOfBytes('n1'),
  });
  expect(await bench.version()).toBe('n1');
  expect(await bench.stagesInJournal(command.sequence)).toEqual(GOOD);
  expect(await storePaths()).toEqual(['app-n1', 'server']);
}, 60_000);

describe('killed with -9', () => {
  let current = 'n1';
  test.each(['fetching', 'unpacked', 'activating', 'stopped', 'switched', 'started', 'confirmed'])(
    'at "%s" it goes on: old or new, each effect once',
    async (stage) => {
      const next = VERSIONS[VERSIONS.indexOf(current) + 1] as string;
      const before = (await bench.starts()).length;
      let sequence = 0;
      await bench.killAt(stage, () => {
        sequence = bench.plane.dispatch(payloadOf(next)).sequence;
      });
      expect([current, next, undefined]).toContain(await bench.version());
      await bench.start();
      expect(await bench.plane.finalReport(sequence)).toMatchObject({ stage: 'confirmed' });
      expect(await bench.version()).toBe(next);
      expect(await bench.stagesInJournal(sequence)).toEqual(GOOD);
      expect((await bench.starts()).slice(before)).toEqual([next]);
      current = next;
    },
    60_000,
  );

  test('and of all of them the last three stay, and nothing else', async () => {
    expect(await storePaths()).toEqual(['app-n6', 'app-n7', 'app-n8', 'server']);
  });
});

test('a release that is not well is put back without the control plane', async () => {
  const before = await bench.version();
  const sick = bench.plane.dispatch(payloadOf('n9', { MODE: 'sick' }));
  await bench.until('the archive is here', async () =>
    (await bench.stagesInJournal(sick.sequence)).includes('activated'),
  );
  bench.plane.isDown = true;
  await bench.until('it is put back', async () =>
    (await bench.stagesInJournal(sick.sequence)).includes('reverted'),
  );
  expect(await bench.version()).toBe(before);
  bench.plane.isDown = false;
  expect(await bench.plane.finalReport(sick.sequence)).toMatchObject({
    stage: 'reverted',
    failure: { code: 'service-unhealthy' },
  });
}, 120_000);

test('a rollback to a release that is kept asks for nothing', async () => {
  bench.plane.refusesBlobs = true;
  const back = bench.plane.dispatch(payloadOf('n7'));
  expect(await bench.plane.finalReport(back.sequence)).toMatchObject({ stage: 'confirmed' });
  expect(await bench.version()).toBe('n7');
  bench.plane.refusesBlobs = false;
}, 60_000);

test('an archive that was exchanged on its way is refused, and nothing is changed', async () => {
  const { closure = '' } = components.get('n9') ?? {};
  const good = bench.plane.exchanged.get(closure) as Buffer;
  const bad = Buffer.from(good);
  bad.writeUInt8(bad.readUInt8(bad.length - 2000) ^ 1, bad.length - 2000);
  bench.plane.exchanged.set(closure, bad);
  const command = bench.plane.dispatch(payloadOf('n9'));
  expect(await bench.plane.finalReport(command.sequence, 40_000)).toMatchObject({
    stage: 'refused',
    failure: { code: 'blob-corrupt' },
  });
  expect(await bench.version()).toBe('n7');
}, 60_000);
