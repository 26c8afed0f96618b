import { NixError, printable } from '../nix-error.ts';
import { assertStoreDir, DEFAULT_STORE_DIR } from '../store-path.ts';

/** Which store Nix works on. */
export type NixStore =
  /** The machine's own, `/nix/store`. */
  | { readonly kind: 'system' }
  /** A store of its own below this folder: `<folder>/store`, which is part of every store path. */
  | { readonly kind: 'own'; readonly folder: string }
  /** The files of `/nix/store` lie below another root. To build in it, Nix needs its sandbox. */
  | { readonly kind: 'root'; readonly root: string };

/** What Nix' own settings are, besides those that always hold. */
export type NixSettings = Readonly<Record<string, string>>;

/**
 * What holds unless the worker's configuration says otherwise: no build users (or it would not build as
 * root without them), the commands that are used, no other machine, and Nix' own sandbox: a build sees the store
 * paths that it needs. With `sandbox = false` it is a program of this process's user like any other.
 */
export const DEFAULT_NIX_SETTINGS: NixSettings = {
  'build-users-group': '',
  'experimental-features': 'nix-command flakes',
  sandbox: 'true',
  substituters: '',
};

/** Hold whatever a configuration says: evaluating builds nothing, writes nothing, asks nobody; no build goes on without the sandbox that it should have. */
const FIXED_SETTINGS: NixSettings = {
  'accept-flake-config': 'false',
  'allow-import-from-derivation': 'false',
  'flake-registry': '',
  'sandbox-fallback': 'false',
  'use-registries': 'false',
  'warn-dirty': 'false',
};

/** Folder that is part of the store's paths. */
export function storeDirOf(store: NixStore): string {
  return store.kind === 'own' ? `${store.folder}/store` : DEFAULT_STORE_DIR;
}

/** Folder in which the store's paths really lie. */
export function storeFolderOf(store: NixStore): string {
  return store.kind === 'root' ? `${store.root}${DEFAULT_STORE_DIR}` : storeDirOf(store);
}

/** `NIX_CONFIG` with these settings; later ones win. */
export function formatNixConfig(settings: NixSettings): string {
  const all = { ...DEFAULT_NIX_SETTINGS, ...settings, ...FIXED_SETTINGS };
  return Object.entries(all)
    .map(([name, value]) => {
      if (!/^[a-z][a-z0-9-]*$/.test(name) || /[^\x20-\x7e]/.test(value)) {
        throw new NixError(
          'nix-input-invalid',
          `"${printable(`${name} = ${value}`)}" is no setting of Nix. Give one name and a value on one line.`,
        );
      }
      return `${name} = ${value}\n`;
    })
    .join('');
}

/**
 * The whole environment of a Nix process: nothing is inherited, the machine's and the user's nix.conf are
 * not read, everything that it keeps besides the store lies in the scratch folder.
 * @param extra of the caller, such as what git needs to fetch a flake
 */
export function nixEnvironment(options: {
  readonly scratch: string;
  readonly searchPath: string;
  readonly store: NixStore;
  readonly settings: NixSettings;
  readonly extra: Readonly<Record<string, string>>;
}): Record<string, string> {
  const { scratch, store } = options;
  assertStoreDir(storeFolderOf(store));
  const own: Record<string, string> =
    store.kind === 'own'
      ? {
          NIX_STORE_DIR: `${store.folder}/store`,
          NIX_STATE_DIR: `${store.folder}/var/nix`,
          NIX_LOG_DIR: `${store.folder}/var/log/nix`,
        }
      : {};
  return {
    LANG: 'C.UTF-8',
    ...options.extra,
    ...own,
    PATH: options.searchPath,
    HOME: `${scratch}/home`,
    TMPDIR: `${scratch}/tmp`,
    NIX_CONF_DIR: `${scratch}/conf`,
    NIX_USER_CONF_FILES: '',
    NIX_CONFIG: formatNixConfig(options.settings),
  };
}

/** Arguments that choose the store, where the environment can not. */
export function storeArguments(store: NixStore): readonly string[] {
  return store.kind === 'root' ? ['--store', `local?root=${store.root}`] : [];
}
