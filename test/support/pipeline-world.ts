import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { getTool, type Stack } from '@sluice/infra';
import pg from 'pg';
import { runNode } from './cli.ts';
import { nixFlake } from './nix-flake.ts';

const CHECKOUT = fileURLToPath(new URL('../../', import.meta.url));

/** The tenant of a stack that names none. */
const TENANT = 'demo';

/** The environment whose steps may read the database owner's secret; no other one may. */
const DATABASE = 'database';

/** A message that a pipeline sent. */
export interface ToldMessage {
  readonly text: string;
  readonly step: string;
  readonly promotion: string;
}

/**
 * What the examples' pipelines reach beside targets: channels, a database with its tools, secrets, a flake with a Nix store of
 * its own.
 */
export interface PipelineWorld {
  readonly folder: string;
  /** For the worker's environment. */
  readonly workerEnv: Readonly<Record<string, string>>;
  /** Folder of `migrate` and `pg_dump`. */
  readonly tools: string;
  /** Reference of the flake. */
  readonly flake: string;
  /** What a channel was told, in order. */
  readTold(channel: string): Promise<readonly ToldMessage[]>;
  /** Makes the database `shop` at schema version 41 on a running stack, and its owner's secret. */
  makeShopDatabase(stack: Stack): Promise<void>;
  /** Every schema version that the shop's database had, oldest first. */
  listSchemaVersions(stack: Stack): Promise<readonly number[]>;
  remove(): Promise<void>;
}

/** Makes such a world; the stack comes later. */
export async function makePipelineWorld(channels: readonly string[]): Promise<PipelineWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-pipelines-'));
  await chmod(folder, 0o755);
  const at = (name: string): string => join(folder, name);
  for (const name of ['tools', 'flake', 'nix-scratch', 'told']) await mkdir(at(name));
  await mkdir(join(at('secrets'), TENANT, DATABASE), { recursive: true, mode: 0o700 });
  await writeFile(
    at('channels.json'),
    JSON.stringify({
      schema: 'sluice.notify-channels/v1',
      tenants: {
        [TENANT]: Object.fromEntries(
          channels.map((name) => [name, { kind: 'file', path: join(at('told'), name) }]),
        ),
      },
    }),
  );
  await writeTool(at('tools'), 'migrate', MIGRATE);
  await writeTool(at('tools'), 'pg_dump', DUMP);
  await writeFile(join(at('flake'), 'flake.nix'), nixFlake());
  const nix = await getTool('nix');
  return {
    folder,
    tools: at('tools'),
    flake: `path:${at('flake')}`,
    workerEnv: {
      SLUICE_NOTIFY_CHANNELS: at('channels.json'),
      SLUICE_SECRETS_DIR: at('secrets'),
      SLUICE_OUTBOUND_ALLOW: '*,127.0.0.0/8',
      SLUICE_SANDBOX_PATHS: [
        at('tools'),
        join(CHECKOUT, 'node_modules'),
        // Where Node is none of the system's programs.
        ...(process.execPath.startsWith('/usr/') ? [] : [dirname(dirname(process.execPath))]),
      ].join(':'),
      SLUICE_SCRIPT_NETWORK: 'all',
      SLUICE_NIX: nix.path,
      // The flake's builders are the machine's own programs.
      SLUICE_NIX_SANDBOX: 'off',
      SLUICE_WORKER_QUEUES: 'control,scan,gate,deploy,verify,build,script,outbound',
      SLUICE_NIX_STORE: at('nix'),
      SLUICE_NIX_SCRATCH: at('nix-scratch'),
    },
    readTold: async (channel) =>
      (await readFile(join(at('told'), channel), 'utf8').catch(() => ''))
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as ToldMessage),
    makeShopDatabase: async (stack) => {
      await query(stack.databaseUrls['postgres'] ?? '', 'create database shop');
      const url = shopUrl(stack);
      await query(url, 'create table versions (place serial primary key, version int)');
      await query(url, 'insert into versions (version) values (41)');
      const secret = join(at('secrets'), TENANT, DATABASE, 'shop-database-owner');
      await writeFile(secret, url, { mode: 0o600 });
    },
    listSchemaVersions: async (stack) =>
      (
        await query<{ version: number }>(
          shopUrl(stack),
          'select version from versions order by place',
        )
      ).map(({ version }) => version),
    remove: async () => {
      // A store's folders are read-only.
      await runNode(['-e', UNLOCK, at('nix')], {}).catch(() => undefined);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function shopUrl(stack: Stack): string {
  const url = new URL(stack.databaseUrls['postgres'] ?? '');
  url.pathname = '/shop';
  return url.href;
}

async function query<Row extends object>(url: string, sql: string): Promise<readonly Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(sql)).rows as Row[];
  } finally {
    await client.end();
  }
}

function writeTool(folder: string, name: string, body: string): Promise<void> {
  const require = JSON.stringify(join(CHECKOUT, 'package.json'));
  const head = `#!${process.execPath}\nconst { Client } = require('node:module').createRequire(${require})('pg');\n`;
  return writeFile(join(folder, name), head + body, { mode: 0o755 });
}

/** Brings a database to a schema version; says so; does nothing when it is there. */
const MIGRATE = `
const [, , , url, , version] = process.argv;
(async () => {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query('select version from versions order by place desc limit 1');
  if (rows[0].version !== Number(version)) {
    await client.query('insert into versions (version) values ($1)', [Number(version)]);
  }
  console.log('schema ' + rows[0].version + ' -> ' + version);
  await client.end();
})();
`;

/** Writes all rows of a database into a file. */
const DUMP = `
const [, , , file, url] = process.argv;
(async () => {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query('select * from versions');
  require('node:fs').writeFileSync(file.replace('--file=', ''), JSON.stringify(rows));
  await client.end();
})();
`;

const UNLOCK = `
const { chmodSync, readdirSync } = require('node:fs');
(function open(path) {
  chmodSync(path, 0o700);
  for (const entry of readdirSync(path, { withFileTypes: true })) if (entry.isDirectory()) open(path + '/' + entry.name);
})(process.argv[1]);
`;
