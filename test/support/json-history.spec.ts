import { createRequire } from 'node:module';
import { expect, test } from '@jest/globals';

const require = createRequire(import.meta.url);

// Two copies of protobufjs cannot read each other's types, and replaying a history that was stored
// as JSON then fails with "type must be a Type". One copy at the root prevents it.
test('every Temporal package uses the same protobufjs', () => {
  const copies = ['worker', 'common', 'proto'].map((name) => {
    const from = createRequire(require.resolve(`@temporalio/${name}`));
    return from.resolve('protobufjs');
  });
  expect(new Set(copies).size).toBe(1);
});

test('a history in JSON can be read', async () => {
  const { historyFromJSON } = await import('@temporalio/common/lib/proto-utils.js');
  const history = historyFromJSON({
    events: [
      {
        eventId: '1',
        eventTime: '2026-01-01T00:00:00Z',
        eventType: 'EVENT_TYPE_WORKFLOW_EXECUTION_STARTED',
        workflowExecutionStartedEventAttributes: {
          workflowType: { name: 'promoteRelease' },
          input: { payloads: [{ metadata: { encoding: 'anNvbi9wbGFpbg==' }, data: 'MQ==' }] },
        },
      },
    ],
  });
  const event = history.events?.[0];
  expect(event?.workflowExecutionStartedEventAttributes?.workflowType?.name).toBe('promoteRelease');
  expect(Number(event?.eventId)).toBe(1);
});
