import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { canonicalJson, digestOf } from '@sluice/pure';
import { payloadOf, RunningAgent, routePayloadOf } from './running-agent.ts';

describe('an agent of a router', () => {
  let agent: RunningAgent;
  beforeEach(async () => {
    agent = await RunningAgent.start('router');
  });
  afterEach(() => agent.remove());

  test('puts a table in force, looks at it, and reports each stage', async () => {
    const payload = routePayloadOf(50, { expects: null });
    agent.plane.dispatch(payload);
    const report = await agent.plane.finalReport(1);
    expect(report).toMatchObject({ stage: 'confirmed', failure: null, activeRelease: null });
    expect(agent.plane.stagesOf(1)).toEqual(['accepted', 'activated', 'confirmed']);
    expect(agent.router.table).toEqual(payload.table);
    const next = routePayloadOf(250, { expects: digestOf(payload.table) });
    agent.plane.dispatch(next);
    expect((await agent.plane.finalReport(2)).stage).toBe('confirmed');
    expect(agent.router.table?.canaryPermille).toBe(250);
    expect(agent.router.calls[0]).toBe('resume');
  });

  test('refuses what is no change of a router, and what is for another one', async () => {
    agent.plane.dispatch(payloadOf('1.0.0'));
    agent.plane.dispatch(payloadOf('1.0.0'), { kind: 'revert' });
    agent.plane.dispatch(routePayloadOf(50, { router: 'host-2' }));
    agent.plane.dispatch(routePayloadOf(50), { planDigest: digestOf('another') });
    const bad = { ...routePayloadOf(50).table, canaryPermille: 1001 };
    agent.plane.dispatch(routePayloadOf(50, { table: bad }));
    const codes: unknown[] = [];
    for (const sequence of [1, 2, 3, 4, 5]) {
      const { stage, failure } = await agent.plane.finalReport(sequence);
      codes.push([stage, failure?.code]);
    }
    expect(codes).toEqual([
      ['refused', 'command-not-for-router'],
      ['refused', 'command-not-for-router'],
      ['refused', 'payload-mismatch'],
      ['refused', 'payload-mismatch'],
      ['refused', 'route-invalid'],
    ]);
    expect(agent.router.table).toBeNull();
    expect(agent.router.calls.filter((call) => call.startsWith('apply'))).toEqual([]);
  });

  test('refuses a change that was made for another table; one that expects nothing goes over it', async () => {
    agent.plane.dispatch(routePayloadOf(50));
    await agent.plane.finalReport(1);
    agent.plane.dispatch(routePayloadOf(250, { expects: null }));
    expect((await agent.plane.finalReport(2)).failure?.code).toBe('route-stale');
    agent.plane.dispatch(routePayloadOf(250, { expects: digestOf('other') }));
    expect((await agent.plane.finalReport(3)).failure?.code).toBe('route-stale');
    expect(agent.router.table?.canaryPermille).toBe(50);
    agent.plane.dispatch(routePayloadOf(0));
    expect((await agent.plane.finalReport(4)).stage).toBe('confirmed');
  });

  test('says what the proxy did not take, and whether the old table is in force', async () => {
    agent.router.outcome = { state: 'refused', code: 'route-invalid', message: 'line 3' };
    agent.plane.dispatch(routePayloadOf(50));
    expect(await agent.plane.finalReport(1)).toMatchObject({
      stage: 'refused',
      failure: { code: 'route-invalid', message: 'line 3' },
    });
    agent.router.outcome = { state: 'reverted', code: 'route-unserved', message: 'no worker' };
    agent.plane.dispatch(routePayloadOf(50));
    expect(await agent.plane.finalReport(2)).toMatchObject({
      stage: 'reverted',
      failure: { code: 'route-unserved', message: 'no worker' },
    });
    expect(agent.plane.stagesOf(2)).toEqual(['accepted', 'reverted']);
    agent.router.outcome = undefined;
    agent.router.losesChanges = true;
    agent.plane.dispatch(routePayloadOf(50));
    expect(await agent.plane.finalReport(3)).toMatchObject({
      stage: 'reverted',
      failure: { code: 'route-unserved' },
    });
    expect(agent.router.calls).not.toContain('restore');
  });

  test('does not say that the old table is in force where the proxy ended after the change', async () => {
    agent.plane.dispatch(routePayloadOf(50));
    await agent.plane.finalReport(1);
    agent.router.diesAfterChange = true;
    const payload = routePayloadOf(250);
    agent.plane.dispatch(payload);
    expect(await agent.plane.finalReport(2)).toMatchObject({
      stage: 'reverted',
      failure: { code: 'revert-failed', message: expect.stringContaining('route-unserved') },
    });
    // It comes back with the table that was to be put back: that is told.
    expect(agent.router.table).toEqual(payload.table);
  });

  test('waits for a proxy that is down where it puts back, until the command expires', async () => {
    agent.router.isUp = false;
    const expiresAt = new Date(Date.now() + 1500).toISOString();
    agent.plane.dispatch(routePayloadOf(0), { expiresAt });
    expect(await agent.plane.finalReport(1)).toMatchObject({
      stage: 'refused',
      failure: { code: 'router-down' },
    });
    agent.plane.dispatch(routePayloadOf(0));
    await agent.untilStage(2, 'activating');
    agent.router.isUp = true;
    expect((await agent.plane.finalReport(2)).stage).toBe('confirmed');
  });

  test('gives up a change that goes on when a later one says everything anew', async () => {
    agent.router.isEndless = true;
    agent.plane.dispatch(routePayloadOf(50));
    // The journal says so before the change begins.
    while (!agent.router.calls.includes('apply 50')) await sleep(10);
    agent.router.isEndless = false;
    const back = routePayloadOf(0);
    agent.plane.dispatch(back);
    expect(await agent.plane.finalReport(1)).toMatchObject({
      stage: 'reverted',
      failure: { code: 'superseded', message: expect.stringContaining('Command 2') },
    });
    expect((await agent.plane.finalReport(2)).stage).toBe('confirmed');
    expect(agent.router.table).toEqual(back.table);
  });

  test('does what was accepted once, whatever is delivered again', async () => {
    agent.plane.dispatch(routePayloadOf(50));
    await agent.plane.finalReport(1);
    const [first] = agent.plane.deliveries;
    if (first !== undefined) agent.plane.replay(first);
    agent.plane.dispatch(routePayloadOf(900), { fencingToken: 0 });
    agent.plane.dispatch(routePayloadOf(900), { idempotencyKey: 'key-1' });
    expect((await agent.plane.finalReport(3)).failure?.code).toBe('command-fenced-off');
    expect((await agent.plane.finalReport(4)).failure?.code).toBe('command-replayed');
    expect(agent.router.calls.filter((call) => call.startsWith('apply'))).toEqual(['apply 50']);
  });

  test('takes a change up again that it was ended in', async () => {
    agent.router.isEndless = true;
    const payload = routePayloadOf(50, { expects: null });
    agent.plane.dispatch(payload);
    await agent.untilStage(1, 'activating');
    await agent.stop();
    expect(agent.plane.stagesOf(1)).not.toContain('reverted');
    agent.router.isEndless = false;
    await agent.start();
    expect(await agent.plane.finalReport(1)).toMatchObject({ stage: 'confirmed' });
    expect(agent.router.table).toEqual(payload.table);
    expect(agent.plane.stagesOf(1)).toEqual(['accepted', 'activated', 'confirmed']);
  });
});

test('an agent of a target refuses to move requests', async () => {
  const agent = await RunningAgent.start();
  try {
    const payload = routePayloadOf(50);
    agent.plane.dispatch(payload, { payloadSent: canonicalJson(payload) });
    expect((await agent.plane.finalReport(1)).failure?.code).toBe('command-not-for-target');
    expect(agent.driver.calls).not.toContain('prepare');
  } finally {
    await agent.remove();
  }
});
