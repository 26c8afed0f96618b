import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { migrate } from './migrate.ts';
import { MIGRATIONS_FOLDER } from './migration-files.ts';
import { dumpSchema } from './schema-dump.ts';

/** Where the dump stands. */
export const SCHEMA_DUMP_FILE: string = join(MIGRATIONS_FOLDER, 'schema.sql');

/**
 * The dump of what the migrations make: in a database of its own that is dropped again.
 * @param serverUrl a superuser's URL of any database of a server
 */
export async function dumpMigratedSchema(serverUrl: string): Promise<string> {
  const name = `sluice_schema_${randomBytes(6).toString('hex')}`;
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  await onServer(serverUrl, `create database ${name} template template0`);
  try {
    await migrate({ superuserUrl: url.href, rolePasswords: {} });
    return await dumpSchema(url.href);
  } finally {
    await onServer(serverUrl, `drop database if exists ${name} with (force)`);
  }
}

/**
 * Whether `migrations/schema.sql` is what the migrations make; `diff` names what differs and what to do.
 * @param serverUrl a superuser's URL of any database of a server
 */
export async function checkSchemaDump(
  serverUrl: string,
): Promise<{ readonly ok: boolean; readonly diff: string }> {
  const made = await dumpMigratedSchema(serverUrl);
  const stored = await readFile(SCHEMA_DUMP_FILE, 'utf8').catch(() => '');
  if (made === stored) return { ok: true, diff: '' };
  const advice =
    'migrations/schema.sql is not what the migrations make. Write it again with ' +
    '`node libs/persistence/dist/schema-dump-main.js` and read what changed.';
  return { ok: false, diff: `${advice}\n${lineDifference(stored, made)}` };
}

/** The lines around the change: what stands before and after it in both is left out. */
function lineDifference(stored: string, made: string): string {
  const [old, now] = [stored.split('\n'), made.split('\n')];
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1;
  let end = 0;
  while (
    end < old.length - start &&
    end < now.length - start &&
    old[old.length - 1 - end] === now[now.length - 1 - end]
  ) {
    end += 1;
  }
  const shown = (lines: readonly string[], mark: string): string[] =>
    lines
      .slice(start, lines.length - end)
      .slice(0, 40)
      .map((line) => `${mark} ${line}`);
  return [`line ${start + 1}:`, ...shown(old, '-'), ...shown(now, '+')].join('\n');
}

async function onServer(serverUrl: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end().catch(() => undefined);
  }
}
