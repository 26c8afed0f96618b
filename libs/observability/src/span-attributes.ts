import type { Attributes } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';

/**
 * What a span may say, by our name and by the one that it is exported under: ids and closed sets of words, never a
 * secret and nothing that a person wrote.
 */
const EXPORTED_NAMES = {
  tenantId: 'sluice.tenant',
  promotionId: 'sluice.promotion',
  requestId: 'sluice.request',
  releaseDigest: 'sluice.release',
  environment: 'sluice.environment',
  target: 'sluice.target',
  stepId: 'sluice.step',
  stepType: 'sluice.step_type',
  round: 'sluice.round',
  /** Of a promotion, a command or a message. */
  kind: 'sluice.kind',
  /** Name of a mutation, a route or a call that is ours. */
  operation: 'sluice.operation',
  sequence: 'sluice.sequence',
  stage: 'sluice.stage',
  attempt: 'sluice.attempt',
  /** A stable code: how it ended. */
  outcome: 'sluice.outcome',
  method: 'http.request.method',
  statusCode: 'http.response.status_code',
} as const;

/** Attributes of a span; see the names. Absent and undefined ones are left out. */
export type SpanAttributes = {
  readonly [name in keyof typeof EXPORTED_NAMES]?: string | number | undefined;
};

/** What the engine's interceptors add and may leave the process. */
const ENGINE_NAMES: ReadonlySet<string> = new Set([
  'temporalWorkflowId',
  'temporalActivityId',
  'workflowId',
  'workflowType',
  'runId',
  'run_id',
]);

const OWN_NAMES: ReadonlySet<string> = new Set([...Object.values(EXPORTED_NAMES), 'error.type']);

const LONGEST_VALUE = 300;

/** Attributes as they are exported. */
export function exportedAttributes(attributes: SpanAttributes): Attributes {
  const exported: Attributes = {};
  for (const [name, value] of Object.entries(attributes)) {
    const exportedName = EXPORTED_NAMES[name as keyof typeof EXPORTED_NAMES] as string | undefined;
    if (exportedName !== undefined && value !== undefined) exported[exportedName] = clip(value);
  }
  return exported;
}

/**
 * A span as it may leave the process: attributes by an allow-list, of an exception only its type, no status message.
 * Interceptors of others put whole error messages and the engine's infos into spans.
 */
export function withoutUserText(span: ReadableSpan): ReadableSpan {
  const attributes: Attributes = {};
  for (const [name, value] of Object.entries(span.attributes)) {
    const isAllowed = OWN_NAMES.has(name) || ENGINE_NAMES.has(name);
    const isPlain = ['string', 'number', 'boolean'].includes(typeof value);
    if (isAllowed && isPlain) attributes[name] = clip(value as string | number);
  }
  const events = span.events.map(({ name, time, attributes: given }) => {
    const type = given?.['exception.type'];
    return { name, time, attributes: typeof type === 'string' ? { 'exception.type': type } : {} };
  });
  // The span's own methods and all other fields stay reachable.
  return Object.create(span, {
    attributes: { value: attributes, enumerable: true },
    events: { value: events, enumerable: true },
    status: { value: { code: span.status.code }, enumerable: true },
  }) as ReadableSpan;
}

function clip<T>(value: T): T {
  return typeof value === 'string' ? (value.slice(0, LONGEST_VALUE) as T) : value;
}
