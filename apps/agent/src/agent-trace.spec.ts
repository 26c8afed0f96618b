import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { refused } from '@sluice/domain';
import { startTracing, type Tracing } from '@sluice/observability';
import { payloadOf, RunningAgent } from './running-agent.ts';

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly attributes: readonly { readonly key: string; readonly value: unknown }[];
}

let receiver: Server;
let tracing: Tracing;
let running: RunningAgent;
const spans: Span[] = [];

beforeAll(async () => {
  receiver = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { resourceSpans } = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    for (const { scopeSpans } of resourceSpans) {
      for (const scope of scopeSpans) spans.push(...scope.spans);
    }
    response.setHeader('content-type', 'application/json').end('{}');
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const { port } = receiver.address() as AddressInfo;
  tracing = await startTracing({ service: 'agent', endpoint: `http://127.0.0.1:${port}` });
  running = await RunningAgent.start();
});

afterAll(async () => {
  await running.remove();
  await tracing.stop();
  await new Promise((resolve) => receiver.close(resolve));
});

test('a command is a span of its promotion, with its parts below', async () => {
  const { plane, driver } = running;
  await plane.finalReport(plane.dispatch(payloadOf('1')).sequence);
  driver.healthy = refused('service-unhealthy', 'It said: secret words.');
  await plane.finalReport(plane.dispatch(payloadOf('2')).sequence);
  await running.stop();
  await tracing.flush();
  const commands = spans.filter(({ name }) => name === 'agent command');
  expect(commands).toHaveLength(2);
  for (const { traceId, parentSpanId } of commands) {
    expect([traceId, parentSpanId]).toEqual(['a'.repeat(32), 'b'.repeat(16)]);
  }
  const partsOf = (command: Span | undefined) =>
    spans.filter(({ parentSpanId }) => parentSpanId === command?.spanId).map(({ name }) => name);
  expect(partsOf(commands[0])).toEqual(['agent fetch', 'agent activate', 'agent confirm']);
  expect(partsOf(commands[1])).toEqual([
    'agent fetch',
    'agent activate',
    'agent confirm',
    'agent revert',
  ]);
  const told = commands[1]?.attributes.map(({ key, value }) => [
    key,
    Object.values(value as object)[0],
  ]);
  expect(Object.fromEntries(told ?? [])).toMatchObject({
    'sluice.target': 'host-1',
    'sluice.kind': 'deploy',
    'sluice.outcome': 'service-unhealthy',
  });
  expect(JSON.stringify(spans)).not.toContain('secret words');
});
