import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getNix, type Nix, type NixOptions } from '../nix.ts';
import type { NixSettings } from '../run/nix-environment.ts';

/** A folder with a flake and a store of its own, for specs with a real Nix. */
export interface NixBench {
  readonly nix: Nix;
  readonly folder: string;
  /** Flake reference of {@link NixBench.writeFlake}'s flake. */
  readonly flake: string;
  /** Another Nix whose files lie elsewhere. */
  nixWith(options: Partial<NixOptions>): Promise<Nix>;
  /** Writes the flake; each package is the argument set of a raw derivation. */
  writeFlake(packages: Readonly<Record<string, string>>): Promise<void>;
  close(): Promise<void>;
}

/** The only system that raw derivations can be built for here. */
export const SYSTEM = process.arch === 'arm64' ? 'aarch64-linux' : 'x86_64-linux';

/** The machine's shell and programs in Nix' sandbox, which a raw derivation is built with. */
export const HOST_PROGRAMS: NixSettings = {
  'sandbox-paths': ['/bin', '/lib', '/lib64', '/usr'].filter((path) => existsSync(path)).join(' '),
};

/** Attribute of a package. */
export function packageOf(name: string): string {
  return `packages.${SYSTEM}.${name}`;
}

/**
 * A bench in the system's temporary folder.
 * @param executable a real `nix`; specs get it from the tool lock
 */
export async function openNixBench(executable: string): Promise<NixBench> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'sluice-nix-')));
  const nixWith = (options: Partial<NixOptions>): Promise<Nix> =>
    getNix({
      executable,
      scratch: join(folder, 'scratch'),
      store: { kind: 'own', folder: join(folder, 'nix') },
      graceMs: 2000,
      settings: HOST_PROGRAMS,
      ...options,
    });
  await mkdir(join(folder, 'flake'));
  return {
    nix: await nixWith({}),
    folder,
    flake: `path:${folder}/flake`,
    nixWith,
    writeFlake: (packages) => writeFile(join(folder, 'flake', 'flake.nix'), flakeOf(packages)),
    close: () => removeTree(folder),
  };
}

function flakeOf(packages: Readonly<Record<string, string>>): string {
  const lines = Object.entries(packages).map(([name, body]) => `      ${name} = ${body};`);
  return `{
  outputs = { self }: let
    sh = name: script: extra: derivation ({
      inherit name;
      system = "${SYSTEM}";
      builder = "/bin/sh";
      args = [ "-c" ("PATH=/usr/bin:/bin; " + script) ];
    } // extra);
    packages = {
${lines.join('\n')}
    };
  in { packages.${SYSTEM} = packages; };
}
`;
}

/** Removes a tree whose folders are read-only, as a store's are. */
export async function removeTree(path: string): Promise<void> {
  await makeWritable(path);
  await rm(path, { recursive: true, force: true });
}

async function makeWritable(path: string): Promise<void> {
  await chmod(path, 0o700);
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await makeWritable(join(path, entry.name));
  }
}
