import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import express from 'express';
import { createExplorer, redirectRoot } from './explorer.ts';

let server: Server;
let url: string;

beforeAll(async () => {
  const app = express();
  app.use(redirectRoot);
  app.use('/explorer', createExplorer());
  server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.close();
});

test('the root leads to the explorer; everything else passes by', async () => {
  const root = await fetch(`${url}/?from=mail`, { redirect: 'manual' });
  expect([root.status, root.headers.get('location')]).toEqual([302, '/explorer/']);
  const posted = await fetch(`${url}/`, { method: 'POST', redirect: 'manual' });
  expect(posted.status).toBe(404);
  expect((await fetch(`${url}/nowhere`, { redirect: 'manual' })).status).toBe(404);
});

test('the first query says where the token goes, and there are no adverts', async () => {
  const options = await (await fetch(`${url}/explorer/initial_options.js`)).text();
  expect(options).toContain('Set Headers');
  expect(options).toContain('Authorization: Bearer');
  expect(options).toContain('banners.disable');
  // The protocol that the API speaks, with the token where a browser can put it.
  expect(options).toContain('initialSubscriptionRequestHandlerId: `graphql-ws`');
  expect(options).toContain('authorization: `Bearer <token>`');
});
