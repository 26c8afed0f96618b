/** The inline source map in the last line of a bundle. */
const SOURCE_MAP =
  /(\n\/\/# sourceMappingURL=data:application\/json[^,]*;base64,)([A-Za-z0-9+/=]+)(\s*)$/;

/**
 * A bundle whose source map names the files of one folder as if they lay in another: what was built in a folder that is
 * gone afterwards is looked at in the checkout. The code stays, and with it its digest.
 * @param from with a slash at its end, as `to`
 */
export function moveSources(code: string, from: string, to: string): string {
  const at = code.lastIndexOf('\n//# sourceMappingURL=');
  const match = at === -1 ? null : SOURCE_MAP.exec(code.slice(at));
  if (match === null) return code;
  const [, head = '', base64 = '', tail = ''] = match;
  const map = readMap(base64);
  if (map === undefined) return code;
  const sources = map.sources.map((source) => source.replace(from, to));
  const moved = Buffer.from(JSON.stringify({ ...map, sources })).toString('base64');
  return `${code.slice(0, at)}${head}${moved}${tail}`;
}

function readMap(base64: string): { readonly sources: readonly string[] } | undefined {
  try {
    const map = JSON.parse(Buffer.from(base64, 'base64').toString('utf8'));
    return Array.isArray(map?.sources) ? map : undefined;
  } catch {
    return undefined;
  }
}
