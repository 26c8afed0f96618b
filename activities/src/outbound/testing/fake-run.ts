import type { IncomingHttpHeaders } from 'node:http';
import type { JsonValue } from '@sluice/domain';
import { createLogger } from '@sluice/observability';
import type { PromotionRecord } from '@sluice/persistence';
import type { FrozenRules } from '@sluice/temporal-contract';
import type { ActivityScope } from '../../activity-scope.ts';
import type { StepRun } from '../../step/step-type.ts';
import { createFakeScope } from '../../testing/fake-scope.ts';
import { parseHostRules } from '../host-rules.ts';
import { createOutboundClients } from '../outbound-clients.ts';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

/** Clients that may ask servers on 127.0.0.1. */
export function localClients() {
  return createOutboundClients({ allow: parseHostRules('*,127.0.0.0/8') });
}

/** A run without records, and what its type wrote. */
export interface FakeRun extends StepRun {
  /** All that was written to the step's log so far. */
  written(): string;
  /** Secrets that were to be masked in it. */
  readonly hidden: readonly string[];
}

/** The run of a step of promotion `dev/1` of `acme`. */
export function createFakeRun(
  type: string,
  inputs: Readonly<Record<string, JsonValue>>,
  changed: Partial<StepRun> & { readonly attempt?: Partial<ActivityScope> } = {},
): FakeRun {
  const { attempt, ...others } = changed;
  const written: string[] = [];
  const hidden: string[] = [];
  return {
    input: {
      type,
      version: 1,
      promotion: { tenantId: 'acme', promotionId: 'dev/1' },
      stepId: 'tell',
      inputDigests: {},
      scheduledAt: '2026-11-21T12:00:00Z',
      traceparent: TRACEPARENT,
    },
    promotion: {
      promotionId: 'dev/1',
      environment: 'dev',
      releaseDigest: `sha256:${'1'.repeat(64)}`,
      requestedAt: '2026-11-21T11:59:00.000Z',
      traceparent: TRACEPARENT,
    } as PromotionRecord,
    rules: { targets: [] as readonly string[] } as FrozenRules,
    scope: createFakeScope(attempt),
    log: createLogger({ service: 'test', level: 'silent' }),
    inputs,
    idempotencyKey: 'dev/1/tell',
    output: {
      write: (chunk) => written.push(Buffer.from(chunk as Uint8Array).toString('utf8')),
      hide: (secret) => hidden.push(secret),
    },
    written: () => written.join(''),
    hidden,
    ...others,
  };
}

/** The effect's key of a request: what a service got, without the mark that tells installations apart. */
export function keyOf(headers: IncomingHttpHeaders): string {
  return String(headers['idempotency-key']).replace(/\.[0-9a-f]{16}$/, '');
}
