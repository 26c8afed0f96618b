import type { JsonValue } from '@sluice/domain';

/** Bytes that values take up as JSON in UTF-8; nothing where there are none. */
export function sizeOfValues(values: Readonly<Record<string, JsonValue>>): number {
  if (Object.keys(values).length === 0) return 0;
  return new TextEncoder().encode(JSON.stringify(values)).length;
}
