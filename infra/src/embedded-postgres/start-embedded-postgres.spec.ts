import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { removeEmbeddedPostgres } from './data-location.ts';
import type { EmbeddedPostgres } from './start-embedded-postgres.ts';
import { startEmbeddedPostgres } from './start-embedded-postgres.ts';

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

describe('the embedded Postgres', () => {
  let folder: string;
  let running: EmbeddedPostgres | undefined;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice postgres '));
    await chmod(folder, 0o755);
  });

  afterAll(async () => {
    await running?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function start(dataDir: string, port?: number): Promise<EmbeddedPostgres> {
    running = await startEmbeddedPostgres({
      dataDir,
      logFile: join(folder, 'logs', 'postgres.log'),
      ...(port === undefined ? {} : { port }),
      settings: { fsync: 'off' },
    });
    return running;
  }

  test('starts in a path with a space, keeps its data over stop and over kill -9', async () => {
    const dataDir = join(folder, 'one');
    const first = await start(dataDir);
    expect(await query(first.superuserUrl, 'create table kept (n int)')).toEqual([]);
    expect((await stat(`${dataDir}.password`)).mode & 0o777).toBe(0o600);
    await first.stop();
    const second = await start(dataDir, first.port);
    expect(second.port).toBe(first.port);
    await query(second.superuserUrl, 'insert into kept values (1)');
    await second.kill();
    expect(existsSync(join(dataDir, 'postmaster.pid'))).toBe(true);
    const third = await start(dataDir, first.port);
    expect(await query(third.superuserUrl, 'select n from kept')).toEqual([{ n: 1 }]);
    await third.stop();
  });

  test('a wrong password and another address are refused', async () => {
    const { superuserUrl, stop } = await start(join(folder, 'one'));
    const wrong = superuserUrl.replace(/:[0-9a-f]+@/, ':wrong@');
    await expect(query(wrong, 'select 1')).rejects.toMatchObject({ code: '28P01' });
    expect(await query(superuserUrl, 'show listen_addresses')).toEqual([
      { listen_addresses: '127.0.0.1' },
    ]);
    await stop();
  });

  test('takes the next port when the one asked for is taken', async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
    const taken = (blocker.address() as { port: number }).port;
    const { port, stop } = await start(join(folder, 'one'), taken);
    expect(port).toBeGreaterThan(taken);
    await stop();
    blocker.close();
  });

  test('a lock whose process id now belongs to somebody else is cleared', async () => {
    const lock = join(folder, 'one', 'postmaster.pid');
    await writeFile(lock, `${process.pid}\n${join(folder, 'one')}\n1\n5432\n\n127.0.0.1\n`);
    const { stop } = await start(join(folder, 'one'));
    await stop();
  });

  test('a folder on which one runs is refused, naming the process', async () => {
    const first = await start(join(folder, 'one'));
    const refusal = startEmbeddedPostgres({
      dataDir: join(folder, 'one'),
      logFile: join(folder, 'logs', 'second.log'),
    });
    await expect(refusal).rejects.toMatchObject({ code: 'postgres-folder-in-use' });
    await expect(refusal).rejects.toThrow(String(first.pid));
    await first.stop();
  });

  test('a folder of another major is refused, naming the version and --reset', async () => {
    const dataDir = join(folder, 'other');
    await mkdir(dataDir);
    await writeFile(join(dataDir, 'PG_VERSION'), '15\n');
    const refusal = start(dataDir);
    await expect(refusal).rejects.toMatchObject({ code: 'postgres-other-major' });
    await expect(refusal).rejects.toThrow(/Postgres 15; .*Postgres 18\. .*--reset/);
    expect(await readFile(join(dataDir, 'PG_VERSION'), 'utf8')).toBe('15\n');
  });

  test('data without their password are refused', async () => {
    await rm(join(folder, 'one.password'));
    await expect(start(join(folder, 'one'))).rejects.toMatchObject({
      code: 'postgres-password-missing',
    });
  });

  const asRoot = process.getuid?.() === 0 ? test : test.skip;
  asRoot('as root below a folder that others cannot enter, the data lie elsewhere', async () => {
    const closed = await mkdtemp(join(tmpdir(), 'sluice-closed-'));
    const dataDir = join(closed, 'postgres');
    const { dataDir: real, stop } = await start(dataDir);
    expect(real).toMatch(/^\/var\/lib\/sluice\/[0-9a-f]{16}\/postgres$/);
    await stop();
    const again = await start(dataDir);
    expect(again.dataDir).toBe(real);
    await again.stop();
    await removeEmbeddedPostgres(dataDir);
    expect([existsSync(real), existsSync(dataDir)]).toEqual([false, false]);
    await rm(closed, { recursive: true });
  });
});
