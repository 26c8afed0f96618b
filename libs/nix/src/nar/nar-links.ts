import { NixError, printable } from '../nix-error.ts';
import { findStoreName } from '../store-path.ts';
import type { NarEvent } from './read-nar.ts';

/** Where the links of a store path may lead. */
export interface LinkScope {
  readonly storeDir: string;
  /** Last part of the store path that holds the links. */
  readonly baseName: string;
  /** Last parts of the store paths that it refers to. */
  readonly references: ReadonlySet<string>;
}

/**
 * Passes a NAR's events on and throws `nar-link-escapes` at a link that leads out of its store path and of
 * those it refers to. A link may climb first and go down then (`a/../..` depends on what `a` is); by an
 * absolute path or by climbing above its store path it may lead to its references.
 */
export async function* checkLinks(
  events: AsyncIterable<NarEvent>,
  scope: LinkScope,
): AsyncGenerator<NarEvent, void, undefined> {
  for await (const event of events) {
    if (event.type === 'symlink' && !staysInside(event.names, event.target, scope)) {
      const path = printable(`${scope.baseName}/${event.names.join('/')}`);
      throw new NixError(
        'nar-link-escapes',
        `The link "${path}" leads to "${printable(event.target)}", out of the closure. Build it with a link into what it refers to.`,
        { path },
      );
    }
    yield event;
  }
}

function staysInside(names: readonly string[], target: string, scope: LinkScope): boolean {
  const store = `${scope.storeDir}/`;
  const isAbsolute = target.startsWith('/');
  if (isAbsolute && !target.startsWith(store)) return false;
  const parts = (isAbsolute ? target.slice(store.length) : target)
    .split('/')
    .filter((part) => part !== '' && part !== '.');
  const firstDown = parts.findIndex((part) => part !== '..');
  const climbs = firstDown === -1 ? parts.length : firstDown;
  if (parts.slice(climbs).includes('..')) return false;
  // From the folder that holds the link: its own store path is `names.length - 1` up, the store one more.
  const above = isAbsolute ? 0 : climbs - (names.length - 1);
  if (!isAbsolute && above <= 0) return names.length > 0;
  if (isAbsolute ? climbs !== 0 : above !== 1) return false;
  const first = parts[climbs];
  if (first === undefined || findStoreName(first, scope.storeDir) === undefined) return false;
  return first === scope.baseName || scope.references.has(first);
}
