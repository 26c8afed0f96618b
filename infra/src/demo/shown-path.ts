import { relative } from 'node:path';

/** How paths are shown to somebody who stands in a folder: as short as they can be, quoted where a shell would split them. */
export function createShown(from: string): (path: string) => string {
  return (path) => quote(shorter(path, relative(from, path)));
}

function shorter(path: string, relativePath: string): string {
  return relativePath !== '' && relativePath.length < path.length ? relativePath : path;
}

function quote(path: string): string {
  return /^[\w./@:-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
