/** What a JSON Pointer (RFC 6901) leads to; undefined where it leads nowhere. */
export function followPointer(value: unknown, pointer: string): unknown {
  let found = value;
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replace(/~1/g, '/').replace(/~0/g, '~');
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) {
      return undefined;
    }
    if (Array.isArray(found) && !/^(?:0|[1-9]\d{0,8})$/.test(name)) return undefined;
    found = (found as Record<string, unknown>)[name];
  }
  return found;
}
