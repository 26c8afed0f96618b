import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { chooseStackPorts } from './stack-ports.ts';

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
  });
});
