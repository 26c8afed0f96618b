import { randomUUID } from 'node:crypto';
import { access, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from './build.ts';
import { removeTree } from './closure/unpack-closure.ts';
import { evaluate } from './evaluate.ts';
import type { Nix } from './nix.ts';
import { isNixError, printable } from './nix-error.ts';
import { storeArguments } from './run/nix-environment.ts';
import { runNix } from './run/run-nix.ts';
import { createStoreKeeper } from './store/store-keeper.ts';
import { DEFAULT_STORE_DIR } from './store-path.ts';

/** Whether builds are kept from this machine, or what is missing and how to get it. */
export type NixSandboxProbe =
  | { readonly works: true }
  | { readonly works: false; readonly missing: string; readonly remedy: string };

const TIMEOUT_MS = 60_000;

const NAMESPACES =
  "Allow user namespaces to the worker's user (sysctl user.max_user_namespaces, and kernel.unprivileged_userns_clone or " +
  'kernel.apparmor_restrict_unprivileged_userns where there is one; in a container also its seccomp and AppArmor profiles)';
const DAEMON =
  "The store's daemon decides here: set `sandbox = true` and `sandbox-fallback = false` in its nix.conf, or give this worker a store of its own";

/**
 * Finds out whether Nix' sandbox works here, by two real builds that need no program of the machine: one that does nothing must succeed, one
 * that looks into a folder of the machine must not find it. What is missing is a result.
 * @throws NixError when Nix itself cannot run
 */
export async function probeNixSandbox(nix: Nix): Promise<NixSandboxProbe> {
  if (nix.store.kind !== 'system' || (await exists(DEFAULT_STORE_DIR))) {
    return createStoreKeeper(nix).use('probe', () => probeIn(nix));
  }
  // No store, so no daemon: a probe is no reason to make the machine's.
  await mkdir(nix.scratch, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(await realpath(nix.scratch), 'store-'));
  try {
    return await probeIn({ ...nix, store: { kind: 'own', folder } });
  } finally {
    await removeTree(folder);
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function probeIn(nix: Nix): Promise<NixSandboxProbe> {
  const empty = await tryBuild(nix, '');
  if (empty !== undefined) {
    return {
      works: false,
      missing: `Nix' sandbox does not work here: ${empty}.`,
      remedy: `${NAMESPACES}.`,
    };
  }
  await mkdir(nix.scratch, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(await realpath(nix.scratch), 'seen-'));
  try {
    await writeFile(join(folder, 'file'), '');
    if ((await tryBuild(nix, folder)) !== undefined) return { works: true };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return {
    works: false,
    missing: "Nix builds without a sandbox here: a build sees this machine's files.",
    remedy: `${DAEMON}.`,
  };
}

/**
 * Builds what was never built before, with the builder that is part of Nix and links what lies in a folder.
 * @returns why it failed; undefined when it did not
 */
async function tryBuild(nix: Nix, folder: string): Promise<string | undefined> {
  const lines: string[] = [];
  const expression = `derivation {
    name = "sluice-sandbox-probe";
    system = builtins.currentSystem;
    builder = "builtin:buildenv";
    derivations = ${JSON.stringify(folder === '' ? '' : `true 5 1 ${folder}`)};
    manifest = "/none";
    once = "${randomUUID()}";
  }`;
  const paths: string[] = [];
  try {
    const { drvPath, outputs } = await evaluate(nix, { expression });
    paths.push(...Object.values(outputs).filter((path) => path !== null), drvPath);
    await build(
      nix,
      { drvPath },
      {
        onLog: (entry) => {
          if ('text' in entry) lines.push(entry.text);
        },
        limits: { timeoutMs: TIMEOUT_MS },
      },
    );
    return undefined;
  } catch (error) {
    if (!isNixError(error) || error.code === 'nix-missing') throw error;
    const said = lines.map((line) => line.trim()).filter((line) => /^(?!\(use )./.test(line));
    return printable(said.at(-1) ?? error.message, 300).replace(/\.$/, '');
  } finally {
    await forget(nix, paths);
  }
}

/** A worker that starts often must not fill the store; what cannot be deleted is left to the garbage collection. */
async function forget(nix: Nix, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await runNix(nix, {
      program: 'nix-store',
      args: [...storeArguments(nix.store), '--delete', path],
      timeoutMs: TIMEOUT_MS,
    }).catch(() => undefined);
  }
}
