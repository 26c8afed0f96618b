import { beforeAll, describe, expect, test } from '@jest/globals';
import { decide, untilAsked } from '../../support/deciders.ts';
import type { TestStack } from '../../support/e2e-stack.ts';
import {
  listTraceProblems,
  type OtlpReceiver,
  pathToRoot,
  type ReceivedSpan,
} from '../../support/otlp-receiver.ts';
import { StackClient } from '../../support/stack-client.ts';
import { waitFor } from '../../support/wait-for.ts';

const COMMENT = 'COMMENT-77d0';

/** Everything in it exports its spans to the receiver. */
export function describeTraces(getStack: () => TestStack, getReceiver: () => OtlpReceiver): void {
  describe('of what is done', () => {
    let made: TestStack;
    let receiver: OtlpReceiver;

    beforeAll(() => {
      made = getStack();
      receiver = getReceiver();
    });

    test('a promotion is one trace, from the mutation over workflow and signer to the agent', async () => {
      const { client, stack } = made;
      const { id: release } = await client.release('1.0.0');
      const { id, headers } = await client.requestWithHeaders(release, 'prod');
      const [, traceId = '', rootId = ''] = (headers.get('traceparent') ?? '').split('-');
      const anna = new StackClient(stack, 'anna');
      await untilAsked(anna, id);
      expect(await decide(anna, id, { comment: COMMENT })).toMatchObject({
        __typename: 'ApprovalRequest',
      });
      const promotion = await client.untilSealed(id, 90);
      expect(promotion).toMatchObject({ state: 'SUCCEEDED', traceId });

      const isOfTrace = (span: ReceivedSpan): boolean => span.traceId === traceId;
      await receiver.waitForSpan(
        'of the whole run',
        (span) => isOfTrace(span) && span.name === 'RunWorkflow:promoteRelease',
      );
      // Parents end, and go out, after their children.
      await receiver.waitForSpan(
        'of the agent',
        (span) => isOfTrace(span) && span.name === 'agent command',
      );
      await waitFor(
        'every parent arrives',
        () => listTraceProblems(receiver.listTrace(traceId)).length === 0,
        { seconds: 15 },
        () => listTraceProblems(receiver.listTrace(traceId)),
      );
      const spans = receiver.listTrace(traceId);
      expect(listTraceProblems(spans)).toEqual([]);
      const root = spans.find(({ parentSpanId }) => parentSpanId === undefined);
      expect(root).toMatchObject({ service: 'sluice-api', spanId: rootId });
      expect(new Set(spans.map(({ service }) => service))).toEqual(
        new Set(['sluice-api', 'sluice-worker', 'sluice-agent']),
      );

      const pathOf = (matches: (span: ReceivedSpan) => boolean): readonly string[] => {
        const span = spans.find(matches);
        return span === undefined ? [] : pathToRoot(spans, span);
      };
      const mutation = ['mutation', 'answer request'];
      const workflow = ['RunWorkflow:promoteRelease', 'StartWorkflow:promoteRelease'];
      const relay = [...workflow, 'deliver message', ...mutation];
      expect(pathOf(({ name }) => name === 'sign command')).toEqual([
        'sign command',
        'RunActivity:executeStep',
        'StartActivity:executeStep',
        ...relay,
      ]);
      expect(pathOf(({ name }) => name === 'RunActivity:recordApproval')).toEqual([
        'RunActivity:recordApproval',
        'StartActivity:recordApproval',
        'HandleUpdate:decideApproval',
        'StartWorkflowUpdate:decideApproval',
        'decide approval',
        ...mutation,
      ]);
      // Whoever decided asked in a trace of their own, which is linked.
      const [decidedIn = ''] = spans.flatMap(({ linkedTraces }) => linkedTraces);
      expect(decidedIn).not.toBe(traceId);
      expect(receiver.listTrace(decidedIn).map(({ name }) => name)).toContain('mutation');
      for (const part of ['agent fetch', 'agent activate', 'agent confirm']) {
        expect(pathOf(({ name }) => name === part)).toEqual([part, 'agent command', ...mutation]);
      }
      const steps = spans.flatMap(({ name, attributes }) =>
        name === 'RunActivity:executeStep' ? [attributes['sluice.step']] : [],
      );
      expect(new Set(steps)).toEqual(new Set(['scan', 'gate', 'plan', 'deploy', 'verify']));
      const agent = spans.find(({ name }) => name === 'agent command');
      expect(agent?.attributes).toMatchObject({
        'sluice.promotion': id,
        'sluice.target': 'prod-host-1',
        'sluice.kind': 'deploy',
      });
    }, 180_000);

    test('no span says a secret, or what somebody wrote', () => {
      const all = receiver.bodies.join('\n');
      expect(all).toContain('sluice.promotion');
      for (const token of Object.values(made.stack.tokens)) expect(all).not.toContain(token);
      expect(all).not.toContain(COMMENT);
      expect(all.toLowerCase()).not.toContain('bearer');
    });
  });
}
