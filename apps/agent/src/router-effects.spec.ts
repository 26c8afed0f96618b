import { beforeEach, expect, test } from '@jest/globals';
import { createLogger } from '@sluice/observability';
import { digestOf } from '@sluice/pure';
import type { CommandEffects } from './command-effects.ts';
import type { AdmittedCommand } from './command-store.ts';
import { FakeRouter } from './fake-router.ts';
import { createRouterEffects } from './router-effects.ts';
import { routePayloadOf } from './running-agent.ts';

const never = new AbortController().signal;
let router: FakeRouter;
let effects: CommandEffects;
let lines: string[];
beforeEach(() => {
  router = new FakeRouter();
  lines = [];
  const stream = { write: (line: string) => void lines.push(line) };
  const log = createLogger({ service: 'agent', stream });
  effects = createRouterEffects({ router, log, now: () => new Date() });
});

test('a change that was made is put back; where the proxy is down, nobody knows', async () => {
  const change = admitted(50);
  await effects.activate(change, never);
  router.isUp = false;
  expect(await effects.revert(change, never)).toMatchObject({
    ok: false,
    refusal: { code: 'revert-failed', message: expect.stringContaining('down') },
  });
  router.isUp = true;
  expect(await effects.revert(change, never)).toMatchObject({ ok: true });
  expect(router.table).toBeNull();
});

test('a change that was not made is not put back twice: what is held is told again', async () => {
  await effects.activate(admitted(50), never);
  router.isUp = false;
  expect(await effects.revert(admitted(250), never)).toMatchObject({
    ok: false,
    refusal: { code: 'revert-failed' },
  });
  router.isUp = true;
  router.isForeign = true;
  expect(await effects.revert(admitted(250), never)).toMatchObject({
    ok: false,
    refusal: { message: expect.stringContaining('by hand') },
  });
  expect(router.calls).toEqual(['apply 50', 'resume', 'resume']);
  router.isForeign = false;
  expect(await effects.revert(admitted(250), never)).toMatchObject({ ok: true });
  expect(router.calls).toHaveLength(3);
  expect(router.table?.canaryPermille).toBe(50);
});

test.each([
  [true, 0],
  [null, 0],
  [false, 2],
])('requests that are open after the change, drained %s: %d warnings', async (drained, count) => {
  router.drained = drained;
  const change = admitted(50);
  expect(await effects.activate(change, never)).toBeUndefined();
  await effects.revert(change, never);
  const warnings = lines.filter((line) => line.includes('Requests were still open'));
  expect(warnings).toHaveLength(count);
});

function admitted(canaryPermille: number): AdmittedCommand {
  const payload = routePayloadOf(canaryPermille);
  const expiresAt = new Date(Date.now() + 60_000).toISOString();
  const command = { sequence: 1, planDigest: digestOf(payload.table), expiresAt };
  return { payload, command } as unknown as AdmittedCommand;
}
