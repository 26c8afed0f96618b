import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startTestStack, type TestStack } from '../support/e2e-stack.ts';
import { serviceImage, findService } from '../support/service-images.ts';
import { findContradictions } from '../support/promotion-checks.ts';

let made: TestStack;
beforeAll(async () => {
  made = await startTestStack({ images: [serviceImage('1.0.0')], progress: (l) => process.stderr.write(`${l}\n`) });
});
afterAll(() => made?.remove());

test('it deploys', async () => {
  const { client, stack } = made;
  const release = await client.release('1.0.0');
  const t = Date.now();
  const promotion = await client.promote(release.id, 'dev');
  process.stderr.write(String(Date.now() - t + JSON.stringify({ ...promotion, packet: null }, null, 1)));
  expect(promotion.state).toBe('SUCCEEDED');
  expect(await findService(stack.getServicePort('dev-host-1'))).toMatchObject({ version: '1.0.0' });
  expect(await findContradictions(stack, promotion)).toEqual([]);
});
