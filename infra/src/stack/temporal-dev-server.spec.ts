import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { DevServer } from '@sluice/temporal-server';
import { applyServerSettings, isAlive, startDevServer } from '@sluice/temporal-server';
import { getTool } from '../tools/get-tool.ts';

describe('the real Temporal dev server', () => {
  let folder: string;
  let executable: string;
  let running: DevServer | undefined;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice temporal '));
    executable = (await getTool('temporal')).path;
  });

  afterAll(async () => {
    await running?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function start(port?: number): Promise<DevServer> {
    running = await startDevServer({
      executable,
      dbFile: join(folder, 'data', 'temporal.db'),
      logFile: join(folder, 'temporal.log'),
      uiPort: false,
      ...(port === undefined ? {} : { port }),
    });
    return running;
  }

  test('has the checked-in settings, keeps them over kill -9, and remembers its version', async () => {
    const first = await start();
    expect(await applyServerSettings(first.address)).toEqual({
      namespace: 'sluice',
      namespaceCreated: false,
      retentionChanged: false,
      searchAttributesAdded: [],
    });
    await first.kill();
    expect(isAlive(first.pid)).toBe(false);
    const second = await start(first.port);
    expect(second.address).toBe(first.address);
    const remembered = await readFile(join(folder, 'data/temporal.db.version.json'), 'utf8');
    expect(JSON.parse(remembered)).toEqual(second.version);
    await second.stop();
  });

  test('a namespace that is not there yet is made with its retention, as on a cluster', async () => {
    const { address, stop } = await start();
    const options = { namespace: 'another', retentionDays: 7 };
    expect(await applyServerSettings(address, options)).toMatchObject({
      namespaceCreated: true,
      searchAttributesAdded: expect.arrayContaining(['SluiceTenant']),
    });
    expect(await applyServerSettings(address, { ...options, retentionDays: 8 })).toMatchObject({
      namespaceCreated: false,
      retentionChanged: true,
      searchAttributesAdded: [],
    });
    await stop();
  });

  test('takes the next port when the one asked for is taken', async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
    const taken = (blocker.address() as { port: number }).port;
    const { port, stop } = await start(taken);
    expect(port).toBeGreaterThan(taken);
    await stop();
    blocker.close();
  });

  test('data of a newer server are refused before anything is started', async () => {
    await writeFile(
      join(folder, 'data/temporal.db.version.json'),
      JSON.stringify({ cli: '99.0.0', server: '99.0.0' }),
    );
    await expect(start()).rejects.toMatchObject({ code: 'temporal-folder-newer' });
  });
});
