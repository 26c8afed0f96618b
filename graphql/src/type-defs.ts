import { readdirSync, readFileSync } from 'node:fs';

const folder = new URL('../schema/', import.meta.url);

/** The schema definition of the public API: every `schema/*.graphql`, in name order. */
export function readTypeDefs(): string {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.graphql'))
    .sort()
    .map((name) => readFileSync(new URL(name, folder), 'utf8'))
    .join('\n');
}
