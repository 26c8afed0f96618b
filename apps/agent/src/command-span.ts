import { type OpenSpan, type SpanAttributes, withSpan } from '@sluice/observability';
import type { AdmittedCommand } from './command-store.ts';

/** A part of a command's work that has a span of its own. */
export type CommandPart = 'fetch' | 'activate' | 'confirm' | 'revert';

/** Does a command's work in a span of its promotion's trace. */
export function inCommandSpan<T>(
  { command, payload }: AdmittedCommand,
  work: (span: OpenSpan) => Promise<T>,
): Promise<T> {
  const attributes: SpanAttributes = {
    tenantId: command.tenantId,
    target: command.target,
    promotionId: command.promotionId,
    releaseDigest: command.releaseDigest,
    environment: payload.environment,
    kind: command.kind,
    sequence: command.sequence,
  };
  return withSpan('agent command', payload.traceparent, attributes, work);
}

/** Does one part of it in a span below. */
export function inPartSpan<T>(
  span: OpenSpan,
  part: CommandPart,
  work: () => Promise<T>,
): Promise<T> {
  return withSpan(`agent ${part}`, span.traceparent, { stage: part }, work);
}
