import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import { packSamples } from '@sluice/infra';
import { startTestStack, type TestStack } from '../support/e2e-stack.ts';
import { type OtlpReceiver, startOtlpReceiver } from '../support/otlp-receiver.ts';
import { serviceImage } from '../support/service-images.ts';
import {
  describeBadInput,
  HOSTILE_LAYOUTS,
  writeHostileSources,
} from './promotions/bad-input.cases.ts';
import { CANCELLED_IMAGES, describeCancels, holdFileOf } from './promotions/cancel.cases.ts';
import { describeFirstPacket, describeFirstRelease } from './promotions/first-release.cases.ts';
import { ARCHIVED_IMAGES, describeHistory } from './promotions/history.cases.ts';
import { describeReverts, EXITS_IN, REVERTED_IMAGES } from './promotions/revert.cases.ts';
import { describeTraces } from './promotions/trace.cases.ts';

/**
 * Whole promotions in one stack of real processes, for its start costs more than most of what is done in it. Each group
 * brings the environments that it uses to where it wants them; the last ones end the stack.
 */
let made: TestStack;
let receiver: OtlpReceiver;

const OPEN = ['dev', 'stage', 'third', 'fourth', 'fifth', 'empty', 'pair'];

beforeAll(async () => {
  receiver = await startOtlpReceiver();
  const exporting = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint };
  made = await startTestStack({
    images: [serviceImage('1.0.0'), ...REVERTED_IMAGES, ...CANCELLED_IMAGES, ...ARCHIVED_IMAGES],
    layouts: [...HOSTILE_LAYOUTS, 'samples'],
    prepare: async (folder) => {
      await writeHostileSources(folder);
      await packSamples(join(folder, 'samples'));
    },
    scannerMode: 'clean',
    watchdogSeconds: 2,
    environments: [
      ...OPEN.map((name, position) => ({ name, position, after: [] })),
      {
        name: 'prod',
        position: 7,
        after: [],
        pipeline: 'approved',
        approval: { roles: ['approver'] },
      },
      { name: 'asked', position: 8, after: [], pipeline: 'approved', approval: { count: 1 } },
    ],
    targets: [
      ...OPEN.slice(0, 6).map((environment) => ({
        name: `${environment}-host-1`,
        environment,
        settings: { HOLD_FILE: holdFileOf(environment) },
        health: { failures: 40 },
      })),
      { name: 'pair-host-1', environment: 'pair' },
      { name: 'pair-host-2', environment: 'pair', settings: { EXITS_IN } },
      { name: 'prod-host-1', environment: 'prod' },
      { name: 'asked-host-1', environment: 'asked' },
    ],
    principals: [
      { name: 'release-manager', role: 'release-manager' },
      { name: 'anna', role: 'approver' },
    ],
    env: { api: exporting, worker: exporting, 'agent-prod-host-1': exporting },
  });
}, 240_000);

afterAll(async () => {
  await made?.remove();
  await receiver?.close();
});

const getStack = (): TestStack => made;

describeFirstRelease(getStack);
describeTraces(getStack, () => receiver);
describeReverts(getStack);
describeBadInput(getStack);
describeCancels(getStack);
describeHistory(getStack);
describeFirstPacket(getStack);
