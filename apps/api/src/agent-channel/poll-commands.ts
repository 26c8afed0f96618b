import type { CommandDelivery, CommandsQuery, CommandsResponse } from '@sluice/agent-protocol';
import {
  COMMANDS_CHANNEL,
  type CommandRecord,
  listCommandsAfter,
  withTenant,
} from '@sluice/persistence';
import type { ApiParts } from '../api-parts.ts';
import type { AgentCaller } from './authenticate-agent.ts';

/** Rows are looked at this often even when no wake-up came. Milliseconds. */
const LOOK_EVERY_MS = 5000;

const BATCH = 20;

/** An answer stays below the protocol's limit of 4 MiB, whatever the envelopes add. */
const MAX_ANSWER_BYTES = 3 * 1024 * 1024;

/**
 * Commands of the caller's target after a sequence, lowest first; waits for one until the time is up or
 * the signal fires. Commands whose final report is stored are left out: they must not run again.
 */
export async function pollCommands(
  parts: ApiParts,
  caller: AgentCaller,
  { after, waitSeconds }: CommandsQuery,
  signal: AbortSignal,
): Promise<CommandsResponse> {
  const { tenantId, target } = caller;
  const deadline = performance.now() + waitSeconds * 1000;
  const subscription = parts.wakeups.subscribe(COMMANDS_CHANNEL, `${tenantId}/${target}`);
  const stop = (): void => subscription.close();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for (;;) {
      const commands = await listOpenCommands(parts, caller, after);
      const left = deadline - performance.now();
      if (commands.length > 0 || left <= 0 || signal.aborted || parts.wakeups.isClosed)
        return { commands };
      await subscription.next(Math.min(LOOK_EVERY_MS, left));
    }
  } finally {
    signal.removeEventListener('abort', stop);
    subscription.close();
  }
}

async function listOpenCommands(
  parts: ApiParts,
  { tenantId, target }: AgentCaller,
  after: number,
): Promise<readonly CommandDelivery[]> {
  const open = await withTenant(
    parts.pool,
    tenantId,
    async (tx) => {
      for (let from = after; ; ) {
        const page = await listCommandsAfter(tx, { target, after: from, limit: BATCH });
        const unsettled = page.filter((command) => command.settledAt === null);
        const last = page.at(-1);
        if (unsettled.length > 0 || last === undefined || page.length < BATCH) return unsettled;
        from = last.sequence;
      }
    },
    { readOnly: true },
  );
  const deliveries: CommandDelivery[] = [];
  let bytes = 0;
  for (const command of open) {
    const delivery = deliver(command);
    bytes += Buffer.byteLength(JSON.stringify(delivery));
    // The first one goes out in any case, else it would hold up all others for ever.
    if (deliveries.length > 0 && bytes > MAX_ANSWER_BYTES) break;
    deliveries.push(delivery);
  }
  return deliveries;
}

function deliver({ sequence, envelope, payload }: CommandRecord): CommandDelivery {
  return { sequence, envelope, payload, traceparent: traceparentOf(payload) };
}

/** The trace context in a command's payload; empty when it has none. */
export function traceparentOf(payload: string): string {
  const { traceparent } = JSON.parse(payload) as { readonly traceparent?: unknown };
  return typeof traceparent === 'string' ? traceparent : '';
}
