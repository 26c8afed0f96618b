import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { Server } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startApp } from './app-process.ts';
import { chooseStackPorts, rememberStackPorts, startOnFreePort } from './stack-ports.ts';

describe('the ports of a stack', () => {
  let folder: string;
  let blocker: Server;
  let taken: number;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-ports-'));
    blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
    taken = (blocker.address() as { port: number }).port;
  });

  afterEach(async () => {
    blocker.close();
    await rm(folder, { recursive: true });
  });

  test('a taken one moves on, and it is said so', async () => {
    const moved: unknown[] = [];
    const ports = await chooseStackPorts(
      join(folder, 'ports.json'),
      ['api', 'postgres'],
      { api: taken, postgres: taken },
      (...args) => moved.push(args),
    );
    expect(ports['api']).toBeGreaterThan(taken);
    expect(ports['postgres']).toBeGreaterThan(ports['api'] ?? 0);
    expect(moved).toEqual([
      ['api', taken, ports['api']],
      ['postgres', taken, ports['postgres']],
    ]);
  });

  test('the next run takes the same ones', async () => {
    const file = join(folder, 'run', 'ports.json');
    const none = (): void => undefined;
    const first = await chooseStackPorts(file, ['api', 'service:a'], 'any', none);
    expect(first['api']).not.toBe(first['service:a']);
    expect(await chooseStackPorts(file, ['api', 'service:a'], {}, none)).toEqual(first);
    await rememberStackPorts(file, { api: 4 });
    expect(await chooseStackPorts(file, ['service:a'], {}, none)).toEqual({
      'service:a': first['service:a'],
    });
  });

  test('a port that was taken after it was chosen is left for another', async () => {
    const script = join(folder, 'app.mjs');
    await writeFile(
      script,
      `import { createServer } from 'node:http';
      const server = createServer().listen(Number(process.env.PORT), '127.0.0.1', () =>
        console.log(JSON.stringify({ ready: true, port: server.address().port })));
      process.on('SIGTERM', () => process.exit(0));`,
    );
    let port = taken;
    const listened: unknown[] = [];
    const start = async (): Promise<void> => {
      const env = { PORT: String(port) };
      const logFile = join(folder, 'app.log');
      const app = await startApp({ name: 'api', script, env, logFile }, () => undefined);
      listened.push(app.ready['port']);
      await app.stop();
    };
    await startOnFreePort(start, async () => {
      port = 0;
    });
    expect(listened).toEqual([expect.any(Number)]);
    port = taken;
    let moves = 0;
    const stuck = startOnFreePort(start, async () => {
      moves += 1;
    });
    await expect(stuck).rejects.toMatchObject({ code: 'stack-port-taken' });
    await expect(stuck).rejects.toThrow('The api ended while it started (status 1), for something');
    expect(moves).toBe(3);
  });
});
