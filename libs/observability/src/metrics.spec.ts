import { expect, test } from '@jest/globals';
import { createMetrics } from './metrics.ts';

test('counters, gauges and histograms are rendered with the service and the default metrics', async () => {
  const metrics = createMetrics({ service: 'api' });
  metrics.counter('sluice_promotions_total', 'Promotions.', ['state']).inc({ state: 'denied' });
  metrics.gauge('sluice_agents', 'Agents.', ['state']).set({ state: 'online' }, 2);
  metrics.histogram('sluice_step_seconds', 'Steps.', ['type']).observe({ type: 'scan' }, 0.2);
  const { body, contentType } = await metrics.render();
  expect(contentType).toContain('text/plain');
  expect(body).toContain('sluice_promotions_total{state="denied",service="api"} 1');
  expect(body).toContain('sluice_agents{state="online",service="api"} 2');
  expect(body).toContain('sluice_step_seconds_bucket{le="0.25",service="api",type="scan"} 1');
  expect(body).toContain('process_cpu_seconds_total');
});

test('asking for a metric again gives the same one; registries are apart', () => {
  const [a, b] = [createMetrics({ defaults: false }), createMetrics({ defaults: false })];
  const counter = a.counter('sluice_x_total', 'X.');
  expect(a.counter('sluice_x_total', 'X.')).toBe(counter);
  expect(b.counter('sluice_x_total', 'X.')).not.toBe(counter);
});

test('a name without the prefix is refused', () => {
  expect(() => createMetrics({ defaults: false }).counter('x', 'X.')).toThrow('sluice_');
});
