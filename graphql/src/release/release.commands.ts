import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import {
  answerOnce,
  enqueueOutbox,
  findSource,
  getReleaseRequest,
  insertEvent,
  insertReleaseRequest,
  RELEASE_REQUESTS_CHANNEL,
  type ReleaseRequestRecord,
  type Tx,
} from '@sluice/persistence';
import { digestOf } from '@sluice/pure';
import {
  type ResolveReleaseInput,
  releaseRequestWorkflowId,
  TASK_QUEUES,
  WORKFLOWS,
} from '@sluice/temporal-contract';
import { type GraphqlContext, principalOf } from '../common/graphql-context.ts';
import { idempotencyConflict, invalidInput, notFound } from '../common/refusal.ts';
import { GRAPHQL_PARTS, type GraphqlParts } from '../common/tokens.ts';
import type { CreateReleaseInput } from './create-release.input.ts';
import { type ReleaseRequestView, releaseRequestView } from './release.view.ts';

/** A row is looked at this often even when no wake-up came. Milliseconds. */
const LOOK_EVERY_MS = 1000;

/** Mutations of releases. */
@Injectable()
export class ReleaseCommands {
  readonly #parts: GraphqlParts;

  constructor(@Inject(GRAPHQL_PARTS) parts: GraphqlParts) {
    this.#parts = parts;
  }

  /** Stores the request with the engine's call in one transaction, then waits for the answer. */
  async create(context: GraphqlContext, input: CreateReleaseInput): Promise<ReleaseRequestView> {
    const names = input.components.map(({ name }) => name);
    const twice = names.findIndex((name, index) => names.indexOf(name) !== index);
    if (twice >= 0) {
      throw invalidInput(
        `components[${twice}].name`,
        `components[${twice}].name: ${names[twice]} stands twice; names are unique in a release`,
      );
    }
    const { name, version, idempotencyKey } = input;
    const components = input.components.map(({ name: n, source, reference }) => ({
      name: n,
      source,
      reference,
    }));
    const { principalId } = principalOf(context);
    const once = await context.inTenant((tx) =>
      answerOnce(
        tx,
        {
          principalId,
          operation: 'createRelease',
          key: idempotencyKey,
          payloadDigest: digestOf({ name, version, components }),
        },
        () => request(tx, context, { name, version, components }),
      ),
    );
    if (once.kind === 'conflict') throw idempotencyConflict('createRelease');
    return releaseRequestView(await this.#settled(context, once.answer));
  }

  async #settled(context: GraphqlContext, requestId: string): Promise<ReleaseRequestRecord> {
    const { tenantId } = principalOf(context);
    const deadline = performance.now() + this.#parts.releaseWaitMs;
    const subscription = this.#parts.wakeups.subscribe(
      RELEASE_REQUESTS_CHANNEL,
      `${tenantId}/${requestId}`,
    );
    try {
      for (;;) {
        const record = await context.inTenant((tx) => getReleaseRequest(tx, requestId));
        const left = deadline - performance.now();
        if (record.state !== 'resolving' || left <= 0 || this.#parts.wakeups.isClosed)
          return record;
        await subscription.next(Math.min(LOOK_EVERY_MS, left));
      }
    } finally {
      subscription.close();
    }
  }
}

async function request(
  tx: Tx,
  context: GraphqlContext,
  asked: Pick<ResolveReleaseInput, 'name' | 'version' | 'components'>,
): Promise<string> {
  for (const source of new Set(asked.components.map((component) => component.source))) {
    if ((await findSource(tx, source)) === undefined) {
      throw notFound(
        'source-unknown',
        `There is no source ${source}; name one that the configuration declares.`,
      );
    }
  }
  const { tenantId, principalId } = principalOf(context);
  const { traceId, traceparent } = context;
  const requestId = randomUUID();
  const input: ResolveReleaseInput = {
    tenantId,
    requestId,
    ...asked,
    requestedBy: principalId,
    traceparent,
  };
  await insertReleaseRequest(tx, {
    requestId,
    body: { ...asked },
    requestedBy: principalId,
    traceId,
  });
  await insertEvent(tx, {
    type: 'release.requested',
    actor: `principal:${principalId}`,
    subject: `release-request:${requestId}`,
    data: { name: asked.name, version: asked.version, components: asked.components.length },
    traceId,
  });
  await enqueueOutbox(tx, {
    kind: 'start-workflow',
    body: {
      workflowId: releaseRequestWorkflowId(tenantId, requestId),
      workflowType: WORKFLOWS.resolveRelease,
      taskQueue: TASK_QUEUES.control,
      input,
      searchAttributes: { tenant: tenantId },
    },
  });
  return requestId;
}
