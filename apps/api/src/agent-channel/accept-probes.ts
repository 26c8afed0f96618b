import { parseProbesRequest } from '@sluice/agent-protocol';
import { insertProbeSamples, withTenant } from '@sluice/persistence';
import type { ApiParts } from '../api-parts.ts';
import { assertInput, ProbesInput } from './agent.inputs.ts';
import { AgentRefusal, refuse } from './agent-refusal.ts';
import type { AgentCaller } from './authenticate-agent.ts';

/** Samples are of so long ago at the most; an agent that was away drops what is older. Milliseconds. */
const MAX_AGE_MS = 60 * 60 * 1000;

/** How far an agent's clock may be ahead. Milliseconds. */
const MAX_AHEAD_MS = 60 * 1000;

/**
 * Stores what an agent measured of its own service, of its own target alone; what came before changes nothing.
 * @throws AgentRefusal `body-malformed`; `sample-time-wrong` where a sample is of another hour
 */
export async function acceptProbes(
  { pool, now }: Pick<ApiParts, 'pool' | 'now'>,
  { tenantId, target }: AgentCaller,
  body: Uint8Array,
): Promise<void> {
  const parsed = parseProbesRequest(body);
  if (!parsed.ok) throw refuse(400, parsed.refusal);
  assertInput(ProbesInput, parsed.value, 'body-malformed');
  const { samples } = parsed.value;
  const at = now();
  const wrong = samples.find(({ sampledAt }) => {
    const age = at - Date.parse(sampledAt);
    return !(age <= MAX_AGE_MS && age >= -MAX_AHEAD_MS);
  });
  if (wrong !== undefined) {
    throw new AgentRefusal(
      400,
      'sample-time-wrong',
      `The sample of ${wrong.sampledAt} is not of the last hour: set this machine's clock.`,
    );
  }
  if (samples.length === 0) return;
  await withTenant(pool, tenantId, (tx) => insertProbeSamples(tx, target, samples));
}
