import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDigest, isName } from '@sluice/domain';
import { digestOf, digestOfBytes } from '@sluice/pure';
import { DecisionError } from './decision-error.ts';

/** The schema tag of a policy bundle's manifest. */
export const POLICY_MANIFEST_SCHEMA = 'sluice.policy/v1';

const MAX_FILE_BYTES = 16 * 1024 * 1024;
const PATH = /^[a-z0-9][a-z0-9._-]{0,127}$/;

/** A file of a bundle. */
export interface PolicyFile {
  /** Name in the bundle's folder. */
  readonly path: string;
  readonly digest: string;
}

/** An input without which the policy is not even asked: the answer is `input-missing:<name>`. */
export interface RequiredInput {
  readonly name: string;
  readonly type: 'string' | 'object';
}

/** `manifest.json` of a bundle. */
export interface PolicyManifest {
  readonly schema: typeof POLICY_MANIFEST_SCHEMA;
  readonly id: string;
  readonly version: number;
  /** Such as `sluice/release_gate/verdict`. */
  readonly entrypoint: string;
  readonly requiredInputs: readonly RequiredInput[];
  /** Where the policy's own rule for missing inputs stands; the engine's entries in the trace name it. */
  readonly requiredInputSource: string;
  /** Rego sources, sorted by path. */
  readonly sources: readonly PolicyFile[];
  /** Which builtins the sources may use. */
  readonly capabilities: PolicyFile;
  /** The compiled form. */
  readonly wasm: PolicyFile;
  /** {@link policyDigest} of the other fields. */
  readonly policyDigest: string;
}

/** A bundle whose files were all verified. */
export interface PolicyBundle {
  readonly manifest: PolicyManifest;
  readonly policyDigest: string;
  readonly wasm: Uint8Array;
}

/**
 * Digest of a policy: SHA-256 of the canonical manifest without its own `policyDigest`. Through the digests of
 * sources, capabilities and compiled form it stands for every byte that decides.
 */
export function policyDigest(manifest: Omit<PolicyManifest, 'policyDigest'>): string {
  const { policyDigest: _, ...rest } = manifest as PolicyManifest;
  return digestOf(rest);
}

/** Folder of a policy bundle that comes with Sluice, such as `release-gate`. */
export function builtInPolicyDir(id: string): string {
  return fileURLToPath(new URL(`../../../policies/${id}/`, import.meta.url));
}

/**
 * Loads a bundle and verifies every file of it against the manifest, and the manifest against its digest.
 * @throws DecisionError `policy-missing`, `policy-corrupt`, `policy-digest-mismatch`
 */
export async function loadPolicyBundle(dir: string): Promise<PolicyBundle> {
  const manifest = parseManifest(dir, await read(dir, 'manifest.json'));
  const digest = policyDigest(manifest);
  if (digest !== manifest.policyDigest) {
    throw mismatch(dir, 'manifest.json', manifest.policyDigest, digest);
  }
  const verified = new Map<string, Uint8Array>();
  for (const file of [...manifest.sources, manifest.capabilities, manifest.wasm]) {
    const bytes = await read(dir, file.path);
    const found = digestOfBytes(bytes);
    if (found !== file.digest) throw mismatch(dir, file.path, file.digest, found);
    verified.set(file.path, bytes);
  }
  const wasm = verified.get(manifest.wasm.path) ?? new Uint8Array();
  return { manifest, policyDigest: digest, wasm };
}

async function read(dir: string, name: string): Promise<Uint8Array> {
  let bytes: Buffer;
  try {
    bytes = await readFile(join(dir, name));
  } catch (error) {
    throw new DecisionError(
      'policy-missing',
      `Policy file ${join(dir, name)} cannot be read: put the bundle there, or name its folder.`,
      error,
    );
  }
  if (bytes.byteLength > MAX_FILE_BYTES) throw corrupt(dir, `${name} is too long`);
  return new Uint8Array(bytes);
}

function parseManifest(dir: string, bytes: Uint8Array): PolicyManifest {
  let manifest: PolicyManifest;
  try {
    manifest = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw corrupt(dir, 'manifest.json is no JSON', error);
  }
  if (manifest?.schema !== POLICY_MANIFEST_SCHEMA) {
    throw corrupt(dir, `manifest.json has no schema ${POLICY_MANIFEST_SCHEMA}`);
  }
  const { id, version, entrypoint, requiredInputs, requiredInputSource, sources } = manifest;
  const isSound =
    typeof id === 'string' &&
    isName(id) &&
    Number.isSafeInteger(version) &&
    version > 0 &&
    /^[a-z0-9_]+(?:\/[a-z0-9_]+)+$/.test(String(entrypoint)) &&
    typeof requiredInputSource === 'string' &&
    Array.isArray(requiredInputs) &&
    requiredInputs.every(isRequiredInput) &&
    Array.isArray(sources) &&
    sources.length > 0 &&
    [...sources, manifest.capabilities, manifest.wasm].every(isPolicyFile);
  if (!isSound) throw corrupt(dir, 'manifest.json has fields that are missing or wrong');
  return manifest;
}

function isRequiredInput(value: RequiredInput | null): boolean {
  return (
    typeof value?.name === 'string' &&
    /^[A-Za-z][A-Za-z0-9]{0,63}$/.test(value.name) &&
    (value.type === 'string' || value.type === 'object')
  );
}

function isPolicyFile(value: PolicyFile | null | undefined): boolean {
  return (
    typeof value?.path === 'string' &&
    PATH.test(value.path) &&
    typeof value.digest === 'string' &&
    isDigest(value.digest)
  );
}

function corrupt(dir: string, what: string, cause?: unknown): DecisionError {
  const advice = 'Restore the bundle, or compile it again (node policies/compile.mjs).';
  return new DecisionError('policy-corrupt', `Policy bundle ${dir}: ${what}. ${advice}`, cause);
}

function mismatch(dir: string, file: string, wanted: string, found: string): DecisionError {
  return new DecisionError(
    'policy-digest-mismatch',
    `${join(dir, file)} has the digest ${found}, its manifest names ${wanted}: it was changed after it was ` +
      'compiled. Restore the bundle, or compile it again (node policies/compile.mjs).',
  );
}
