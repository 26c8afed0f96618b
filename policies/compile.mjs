/**
 * Compiles the policies: Rego → WebAssembly, and the manifest with the digests of both.
 *
 *   node policies/compile.mjs [--check] [--opa PATH] [id …]
 *
 * `--check` writes nothing and ends with status 1 when what would be written differs from what is there.
 * `opa` is taken from --opa, SLUICE_OPA or PATH; another version than the locked one may give other bytes.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import canonicalize from 'canonicalize';

const root = fileURLToPath(new URL('.', import.meta.url));
const compiledFile = 'policy.wasm';
const manifestFile = 'manifest.json';

/**
 * What the compilation of a policy's folder gives.
 *
 * @param {string} folder
 * @param {string} opa path of the `opa` program
 * @returns {{ wasm: Buffer, manifest: object }}
 */
export function compilePolicy(folder, opa) {
  const settings = JSON.parse(readFileSync(join(folder, 'policy.json'), 'utf8'));
  const sources = readdirSync(folder)
    .filter((name) => name.endsWith('.rego') && !name.endsWith('_test.rego'))
    .sort();
  const wasm = compileSources(folder, sources, settings.entrypoint, opa);
  const described = (path) => ({ path, digest: digestOf(readFileSync(join(folder, path))) });
  const manifest = {
    schema: 'sluice.policy/v1',
    id: settings.id,
    version: settings.version,
    entrypoint: settings.entrypoint,
    requiredInputs: settings.requiredInputs,
    requiredInputSource: findRule(folder, sources, 'required-input'),
    sources: sources.map(described),
    capabilities: described('capabilities.json'),
    wasm: { path: compiledFile, digest: digestOf(wasm) },
  };
  const policyDigest = digestOf(Buffer.from(canonicalize(manifest)));
  return { wasm, manifest: { ...manifest, policyDigest } };
}

/** Names of all policies here, sorted. */
export function listPolicies() {
  return readdirSync(root)
    .filter((name) => existsSync(join(root, name, 'policy.json')))
    .sort();
}

function compileSources(folder, sources, entrypoint, opa) {
  // Compiled from a folder of their own, by relative names: the checkout's path must not reach the bytes.
  const work = mkdtempSync(join(tmpdir(), 'sluice-policy-'));
  try {
    for (const name of [...sources, 'capabilities.json']) {
      copyFileSync(join(folder, name), join(work, name));
    }
    const argv = ['build', '--target', 'wasm', '--capabilities', 'capabilities.json'];
    argv.push('--entrypoint', entrypoint, '--output', 'bundle.tar.gz', ...sources);
    const run = spawnSync(opa, argv, { cwd: work, encoding: 'utf8', timeout: 120_000 });
    if (run.status !== 0) {
      throw new Error(
        `${opa} build failed: ${run.error?.message ?? run.stderr.trim().slice(-2000)}`,
      );
    }
    return readTarEntry(gunzipSync(readFileSync(join(work, 'bundle.tar.gz'))), `/${compiledFile}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function readTarEntry(tar, wanted) {
  for (let offset = 0; offset + 512 <= tar.length; ) {
    const name = tar.toString('utf8', offset, offset + 100).replace(/\0.*$/s, '');
    const size = Number.parseInt(tar.toString('utf8', offset + 124, offset + 136), 8) || 0;
    if (name === wanted) return tar.subarray(offset + 512, offset + 512 + size);
    offset += 512 + Math.ceil(size / 512) * 512;
  }
  throw new Error(`the bundle holds no ${wanted}`);
}

function findRule(folder, sources, rule) {
  for (const source of sources) {
    const lines = readFileSync(join(folder, source), 'utf8').split('\n');
    const at = lines.findIndex((line) => line.includes(`"rule": "${rule}"`));
    if (at >= 0)
      return `${source}:${lines.findLastIndex((line, i) => i < at && line.startsWith('trace contains')) + 1}`;
  }
  throw new Error(`no rule ${rule} in ${folder}`);
}

function digestOf(bytes) {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function main(args) {
  const check = args.includes('--check');
  const at = args.indexOf('--opa');
  const opa = (at >= 0 ? args[at + 1] : process.env.SLUICE_OPA) || 'opa';
  const named = args.filter((arg, index) => !arg.startsWith('--') && args[index - 1] !== '--opa');
  let differs = false;
  for (const id of named.length > 0 ? named : listPolicies()) {
    const folder = join(root, id);
    const { wasm, manifest } = compilePolicy(folder, opa);
    for (const [name, bytes] of [
      [compiledFile, wasm],
      [manifestFile, Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)],
    ]) {
      const path = join(folder, name);
      if (existsSync(path) && readFileSync(path).equals(bytes)) continue;
      differs = true;
      if (check)
        console.error(`${path} is not what its sources give: run node policies/compile.mjs`);
      else writeFileSync(path, bytes);
    }
    console.error(`${id}: ${manifest.policyDigest}`);
  }
  return check && differs ? 1 : 0;
}

if (process.argv[1] && fileURLToPath(import.meta.url) === process.argv[1]) {
  process.exitCode = main(process.argv.slice(2));
}
