import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createLogger } from '@sluice/observability';
import { enqueueOutbox, type OutboxMessage, type Pool, withTenant } from '@sluice/persistence';
import { createTestDatabase, type TestDatabase } from '@sluice/persistence/testing';
import { deliverMessage } from './deliver-message.ts';
import type { Engine } from './engine.ts';
import { type Relay, startOutboxRelay } from './outbox-relay.ts';

const logger = createLogger({ service: 'test', level: 'silent' });
let database: TestDatabase;
let app: Pool;
let relayPool: Pool;
let relay: Relay | undefined;
/** What the engine was told, in order. */
let calls: string[];
let answers: Partial<Engine>;

const engine: Engine = {
  startWorkflow: async (start) => {
    const answer = (await answers.startWorkflow?.(start)) ?? 'started';
    calls.push(`start ${start.workflowId}`);
    return answer;
  },
  signalWorkflow: async (workflowId, signal, input) => {
    const answer = (await answers.signalWorkflow?.(workflowId, signal, input)) ?? 'sent';
    calls.push(`${signal} ${workflowId} ${answer}`);
    return answer;
  },
  completeActivity: async (place, result) => {
    const answer = (await answers.completeActivity?.(place, result)) ?? 'completed';
    calls.push(`complete ${place.activityId} ${JSON.stringify(result)} ${answer}`);
    return answer;
  },
  terminateWorkflow: async (workflowId, reason) => {
    const answer = (await answers.terminateWorkflow?.(workflowId, reason)) ?? 'terminated';
    calls.push(`terminate ${workflowId} ${reason} ${answer}`);
    return answer;
  },
  resetWorkflow: async (reset) => {
    const answer = (await answers.resetWorkflow?.(reset)) ?? { kind: 'reset', runId: 'new-run' };
    calls.push(`reset ${reset.workflowId} ${reset.runId} ${reset.eventId} ${answer.kind}`);
    return answer;
  },
  retryActivities: async (workflowId) => {
    calls.push(`retry ${workflowId}`);
    return (await answers.retryActivities?.(workflowId)) ?? 1;
  },
  findWorkflowState: async (workflowId) =>
    (await answers.findWorkflowState?.(workflowId)) ?? 'unknown',
  describeWorkflow: async () => {
    throw new Error('A relay describes nothing.');
  },
  readTaskFailure: async () => undefined,
  isPolled: async () => true,
};

beforeAll(async () => {
  database = await createTestDatabase();
  await database.addTenant('acme');
  await database.addTenant('other');
  app = database.poolOf('sluice_app');
  relayPool = database.poolOf('sluice_relay');
});
beforeEach(async () => {
  calls = [];
  answers = {};
  await database.query('delete from sluice.outbox');
});
afterEach(() => relay?.stop());
afterAll(() => database.drop());

test('messages of all tenants are delivered once, soon after their transaction, in order per workflow', async () => {
  relay = start();
  await enqueue('acme', startOf('w1'), signalOf('w1'));
  await enqueue('other', startOf('w1'));
  await delivered(3);
  expect(calls.filter((call) => call.startsWith('start'))).toHaveLength(2);
  expect(calls.indexOf('start w1')).toBeLessThan(calls.indexOf('cancelPromotion w1 sent'));
});

test('a rolled-back transaction starts nothing', async () => {
  relay = start();
  const lost = withTenant(app, 'acme', async (tx) => {
    await enqueueOutbox(tx, startOf('never'));
    throw new Error('rolled back');
  });
  await expect(lost).rejects.toThrow('rolled back');
  await enqueue('acme', startOf('w2'));
  await delivered(1);
  expect(calls).toEqual(['start w2']);
});

test('a message that cannot be delivered holds up no other, and goes when it can', async () => {
  let away = true;
  answers.startWorkflow = async ({ workflowId }) => {
    if (workflowId === 'bad' && away) throw new Error('engine away');
    return 'started';
  };
  relay = start();
  await enqueue('acme', startOf('bad'), startOf('good-1'));
  await enqueue('acme', startOf('good-2'));
  await delivered(2);
  expect([...calls].sort()).toEqual(['start good-1', 'start good-2']);
  const [row] = await database.query<{ attempts: number; error: string }>(
    'select attempts, last_error as error from sluice.outbox where delivered_at is null',
  );
  expect(row).toMatchObject({ error: 'engine away' });
  away = false;
  await delivered(3);
});

test('a workflow that was started before and a run that is over are delivered', async () => {
  answers = { startWorkflow: async () => 'existing', signalWorkflow: async () => 'gone' };
  relay = start();
  await enqueue('acme', startOf('w3'));
  await delivered(1);
  await enqueue('acme', signalOf('w3'));
  await delivered(2);
});

test('a signal waits for a start that is itself undelivered', async () => {
  let started = false;
  answers = {
    startWorkflow: async () => {
      if (!started) throw new Error('engine away');
      return 'started';
    },
    signalWorkflow: async () => (started ? 'sent' : 'gone'),
  };
  relay = start();
  await enqueue('acme', startOf('w4'), signalOf('w4'));
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(await countDelivered()).toBe(0);
  started = true;
  await delivered(2);
  expect(calls).toContain('cancelPromotion w4 sent');
});

test('a signal that was early while another relay started its workflow is not lost', async () => {
  let looks = 0;
  answers = { signalWorkflow: async () => (++looks === 1 ? 'gone' : 'sent') };
  relay = start();
  await enqueue('acme', signalOf('w5'));
  await delivered(1);
  expect(calls).toEqual(['cancelPromotion w5 gone', 'cancelPromotion w5 sent']);
});

test('an activity is completed with what the records say, else with the message’s own result', async () => {
  answers.completeActivity = async ({ activityId }) => (activityId === '3' ? 'gone' : 'completed');
  relay = start(async ({ activityId }) => (activityId === '1' ? { by: 'records' } : undefined));
  await enqueue('acme', completeOf('1'), completeOf('2'), completeOf('3'));
  await delivered(3);
  expect([...calls].sort()).toEqual([
    'complete 1 {"by":"records"} completed',
    'complete 2 {"by":"message"} completed',
    'complete 3 {"by":"message"} gone',
  ]);
});

test('two relays deliver each message once', async () => {
  const second = start();
  relay = start();
  await enqueue('acme', ...Array.from({ length: 60 }, (_, index) => startOf(`many-${index}`)));
  await delivered(60);
  await second.stop();
  expect(new Set(calls).size).toBe(60);
  expect(calls).toHaveLength(60);
});

test('delivering twice gives notes, not errors', async () => {
  answers = { startWorkflow: async () => 'existing', completeActivity: async () => 'gone' };
  const parts = {
    pool: relayPool,
    workerPool: database.poolOf('sluice_worker'),
    engine,
    settleActivity: async () => undefined,
  };
  const record = { tenantId: 'acme', outboxId: 1, attempts: 2, createdAt: '' };
  expect(await deliverMessage(parts, { ...record, ...startOf('w') })).toMatch(/started before/);
  expect(await deliverMessage(parts, { ...record, ...completeOf('9') })).toMatch(/over/);
});

test('a delivery that hangs holds up its own workflow only, however long', async () => {
  let release: () => void = () => undefined;
  const hanging = new Promise<void>((resolve) => {
    release = resolve;
  });
  answers.startWorkflow = async ({ workflowId }) => {
    if (workflowId === 'stuck') await hanging;
    return 'started';
  };
  relay = start();
  await enqueue('acme', startOf('stuck'), signalOf('stuck'));
  // More than are claimed at once, and in several rounds.
  for (let round = 0; round < 3; round += 1) {
    await enqueue(
      'acme',
      ...Array.from({ length: 30 }, (_, index) => startOf(`free-${round}-${index}`)),
    );
    await delivered(30 * (round + 1));
  }
  expect(calls.filter((call) => call.includes('stuck'))).toEqual([]);
  release();
  await delivered(92);
  expect(calls.slice(-2)).toEqual(['start stuck', 'cancelPromotion stuck sent']);
});

test('a relay that stops lets go of what it had not begun', async () => {
  let begun = false;
  let release: () => void = () => undefined;
  answers.startWorkflow = async () => {
    begun = true;
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    return 'started';
  };
  const first = start();
  await enqueue('acme', startOf('w6'), signalOf('w6'));
  await until(async () => begun);
  const stopped = first.stop();
  release();
  await stopped;
  expect(calls).toEqual(['start w6']);
  const began = Date.now();
  relay = start();
  await delivered(2);
  // Long before the claim of the first relay has run out.
  expect(Date.now() - began).toBeLessThan(5000);
  expect(calls).toEqual(['start w6', 'cancelPromotion w6 sent']);
});

test('a termination waits for its time; a workflow that is over needs none', async () => {
  answers.terminateWorkflow = async (workflowId) => (workflowId === 'w7' ? 'terminated' : 'gone');
  relay = start();
  const terminate = (workflowId: string): OutboxMessage => ({
    kind: 'terminate-workflow',
    body: { workflowId, reason: 'superseded' },
  });
  await withTenant(app, 'acme', (tx) => enqueueOutbox(tx, terminate('w7'), { delaySeconds: 0.8 }));
  await enqueue('acme', terminate('w8'));
  await delivered(1);
  expect(calls).toEqual(['terminate w8 superseded gone', 'terminate w8 superseded gone']);
  await delivered(2);
  expect(calls.at(-1)).toBe('terminate w7 superseded terminated');
});

function start(
  settleActivity: (place: { activityId: string }) => Promise<unknown> = async () => undefined,
) {
  return startOutboxRelay({
    pool: database.poolOf('sluice_relay'),
    workerPool: database.poolOf('sluice_worker'),
    connectionString: database.urlOf('sluice_relay'),
    engine,
    settleActivity,
    logger,
  });
}

function enqueue(tenantId: string, ...messages: readonly OutboxMessage[]): Promise<void> {
  return withTenant(app, tenantId, async (tx) => {
    for (const message of messages) await enqueueOutbox(tx, message);
  });
}

function startOf(workflowId: string): OutboxMessage {
  return {
    kind: 'start-workflow',
    body: {
      workflowId,
      workflowType: 'promoteRelease',
      taskQueue: 'sluice-control',
      input: {},
      searchAttributes: { tenant: 'acme' },
    },
  };
}

function signalOf(workflowId: string): OutboxMessage {
  return { kind: 'signal-workflow', body: { workflowId, signal: 'cancelPromotion', input: {} } };
}

function completeOf(activityId: string): OutboxMessage {
  const place = { workflowId: `w-${activityId}`, runId: 'r', activityId };
  return { kind: 'complete-activity', body: { ...place, result: { by: 'message' } } };
}

async function countDelivered(): Promise<number> {
  const rows = await database.query('select from sluice.outbox where delivered_at is not null');
  return rows.length;
}

function delivered(count: number): Promise<void> {
  return until(async () => (await countDelivered()) >= count);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('It did not become true within 15 s.');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
