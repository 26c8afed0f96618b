import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createTemporalClient, parseCodecKeys } from '@sluice/temporal-client';
import { applyServerSettings } from '@sluice/temporal-server';
import { createTemporalEngine, type Engine, type WorkflowStart } from './engine.ts';

const address = process.env['SLUICE_TEST_TEMPORAL_ADDRESS'] ?? '';
const namespace = `engine-${randomBytes(4).toString('hex')}`;
const codecKeys = parseCodecKeys({
  tenants: { acme: { keyId: 'k', key: randomBytes(32).toString('base64') } },
});
let client: Awaited<ReturnType<typeof createTemporalClient>>;
let engine: Engine;

beforeAll(async () => {
  await applyServerSettings(address, { namespace });
  client = await createTemporalClient({ address, namespace, codecKeys });
  engine = createTemporalEngine(client);
}, 30_000);
afterAll(() => client.connection.close());

function startOf(number: number): WorkflowStart {
  return {
    workflowId: `settlement/acme/dev/${number}`,
    workflowType: 'settlePromotion',
    taskQueue: 'nobody-polls',
    input: {},
    searchAttributes: { tenant: 'acme', environment: 'dev' },
  };
}

test('a run is ended once; one that is over or never was is gone', async () => {
  const start = startOf(1);
  expect(await engine.findWorkflowState(start.workflowId)).toBe('unknown');
  expect(await engine.terminateWorkflow(start.workflowId, 'superseded')).toBe('gone');
  expect(await engine.startWorkflow(start)).toBe('started');
  expect(await engine.findWorkflowState(start.workflowId)).toBe('running');
  expect(await engine.terminateWorkflow(start.workflowId, 'superseded')).toBe('terminated');
  expect(await engine.findWorkflowState(start.workflowId)).toBe('closed');
  expect(await engine.terminateWorkflow(start.workflowId, 'superseded')).toBe('gone');
  expect(await engine.signalWorkflow(start.workflowId, 'leaseGranted', {})).toBe('gone');
});

test('one run per id, unless a failed one may be started again', async () => {
  const start = startOf(2);
  expect(await engine.startWorkflow(start)).toBe('started');
  expect(await engine.startWorkflow(start)).toBe('existing');
  const again: WorkflowStart = { ...start, restart: 'after-failure' };
  expect(await engine.startWorkflow(again)).toBe('existing');
  await engine.terminateWorkflow(start.workflowId, 'a test');
  expect(await engine.startWorkflow(start)).toBe('existing');
  expect(await engine.startWorkflow(again)).toBe('started');
});

test('an engine without the namespace is an error, not an unknown workflow', async () => {
  const elsewhere = await createTemporalClient({ address, namespace: 'no-such', codecKeys });
  const lost = createTemporalEngine(elsewhere);
  await expect(lost.findWorkflowState('promotion/acme/dev/1')).rejects.toThrow();
  await expect(lost.terminateWorkflow('promotion/acme/dev/1', 'x')).rejects.toThrow();
  await elsewhere.connection.close();
});
