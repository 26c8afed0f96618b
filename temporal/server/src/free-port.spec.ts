import { createServer } from 'node:net';
import { expect, test } from '@jest/globals';
import { findFreePort } from './free-port.ts';

test('a port that somebody listens on, or that is promised already, is passed over', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const taken = (server.address() as { port: number }).port;
  try {
    const next = await findFreePort(taken);
    expect(next).toBeGreaterThan(taken);
    expect(await findFreePort(taken, new Set([next]))).toBeGreaterThan(next);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test('0 gives any free port', async () => {
  expect(await findFreePort(0)).toBeGreaterThan(0);
});

test('it gives up with a clear error past the last port', async () => {
  await expect(findFreePort(65_535, new Set([65_535]))).rejects.toMatchObject({
    code: 'port-none-free',
  });
});
