import type { CommandPayload } from '@sluice/domain';
import {
  MAX_NIX_COMPONENT_BYTES,
  NIX_COMPONENT_MEDIA_TYPE,
  type NixComponent,
  parseNixComponent,
  storeDirOfComponent,
} from '@sluice/nix';
import { readVerified } from '@sluice/oci';
import type { ClosureStore } from './closure-store.ts';
import { DriverError } from './driver-error.ts';
import { hasStartProgram, nixCommand, START_PROGRAM } from './nix-service.ts';
import type { BlobSource } from './target-driver.ts';

type PayloadComponents = NonNullable<CommandPayload['desired']>['components'];

/** What is run of a release of store paths. */
export interface NixRun {
  /** Digests of all components: what they need stays as long as this does. */
  readonly components: readonly string[];
  readonly storeDir: string;
  /** The one with {@link START_PROGRAM}. */
  readonly storePath: string;
}

/**
 * Brings the closures of a release's components to this host, and chooses what is run of them: the one store path that has a program
 * `bin/start`; the others are there for it. What is kept here and whole is not asked for.
 * @throws DriverError `components-unsupported`, `nix-store-unmountable`, NixError, OciError, or what the source throws
 */
export async function fetchClosures(options: {
  readonly components: PayloadComponents;
  readonly source: BlobSource;
  readonly closures: ClosureStore;
  readonly searchPath: string;
  readonly onUnpacked: () => Promise<void>;
  readonly signal: AbortSignal | undefined;
}): Promise<NixRun> {
  const { components, source, closures, searchPath, onUnpacked, signal } = options;
  const read = async ({ digest, manifest }: PayloadComponents[number]) => {
    const isOne =
      manifest.mediaType === NIX_COMPONENT_MEDIA_TYPE && manifest.size <= MAX_NIX_COMPONENT_BYTES;
    if (!isOne) {
      throw unsupported(`${digest} is ${manifest.mediaType} of ${manifest.size} bytes`);
    }
    const kept = await closures.findKept(digest, manifest.size, signal);
    if (kept !== undefined) return { digest, component: kept, document: undefined };
    const blob = { digest, size: manifest.size };
    const document = await readVerified(await source.openBlob(blob, signal), blob);
    return { digest, component: parseNixComponent(document, digest), document };
  };
  const found: Awaited<ReturnType<typeof read>>[] = [];
  for (const one of components) found.push(await read(one));
  const storeDir = sameStore(found.map(({ component }) => component));
  // What can be seen to fail is seen before anything large is fetched.
  await nixCommand(
    found[0]?.component.storePath ?? '',
    { storeDir, folder: closures.folder },
    searchPath,
  );
  for (const { digest, document } of found) {
    if (document !== undefined) await closures.put(digest, document, source, onUnpacked, signal);
  }
  const startable: string[] = [];
  for (const { component } of found) {
    const store = { storeDir, folder: closures.folder };
    if (await hasStartProgram(component.storePath, store)) startable.push(component.storePath);
  }
  const [storePath, ...others] = [...new Set(startable)];
  if (storePath === undefined || others.length > 0) {
    const which = storePath === undefined ? 'none' : startable.join(' and ');
    throw unsupported(`${START_PROGRAM} is in ${which} of its store paths, and is needed in one`);
  }
  return { components: found.map(({ digest }) => digest), storeDir, storePath };
}

function sameStore(components: readonly NixComponent[]): string {
  const [storeDir, ...others] = [...new Set(components.map(storeDirOfComponent))];
  if (storeDir !== undefined && others.length === 0) return storeDir;
  throw unsupported(`its store paths are of ${[storeDir, ...others].join(' and ')}`);
}

function unsupported(problem: string): DriverError {
  return new DriverError(
    'components-unsupported',
    `A Linux host can not run this release: ${problem}. Build its components with one Nix, one of them with ${START_PROGRAM}.`,
  );
}
