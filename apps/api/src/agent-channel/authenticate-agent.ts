import { type AgentRequest, targetUri, verifyAgentRequest } from '@sluice/agent-protocol';
import {
  findAgentByKey,
  findTarget,
  type Pool,
  rememberNonce,
  withTenant,
} from '@sluice/persistence';
import type { Request } from 'express';
import { AgentRefusal, refuse } from './agent-refusal.ts';
import { bodyOf } from './raw-body.middleware.ts';

/** The agent that signed a request. */
export interface AgentCaller {
  readonly tenantId: string;
  readonly target: string;
  readonly keyId: string;
  /** SPKI PEM. */
  readonly publicKey: string;
}

/**
 * A request in the form that is signed.
 * @param publicUrl under which agents reach this API; null when nothing stands between
 */
export function signedForm(request: Request, publicUrl: URL | null): AgentRequest {
  const headers = Object.entries(request.headers).flatMap(([name, value]) =>
    typeof value === 'string' ? [[name, value] as const] : [],
  );
  return {
    method: request.method,
    url: targetUri(
      publicUrl?.protocol.slice(0, -1) ?? request.protocol,
      publicUrl?.host ?? request.headers.host ?? '',
      request.originalUrl,
    ),
    headers: Object.fromEntries(headers),
    body: bodyOf(request),
  };
}

/**
 * Who signed a request. Throws a 401 for anything but a fresh, genuine signature by an enrolled key whose
 * nonce was never seen before; a 403 when the configuration no longer has the key's target.
 */
export async function authenticateAgent(
  pool: Pool,
  request: Request,
  now: number,
  publicUrl: URL | null,
): Promise<AgentCaller> {
  let identity: Awaited<ReturnType<typeof findAgentByKey>>;
  const verified = await verifyAgentRequest(
    readSignedForm(request, publicUrl),
    async (keyId) => {
      identity = await findAgentByKey(pool, keyId);
      return identity?.publicKey;
    },
    now,
  );
  if (!verified.ok) throw refuse(401, verified.refusal);
  if (identity === undefined) throw new AgentRefusal(401, 'key-unknown', 'Enrol this agent again.');
  const { tenantId, target, publicKey } = identity;
  const { keyId, nonce } = verified.value;
  const { isNew, isConfigured } = await withTenant(pool, tenantId, async (tx) => ({
    isNew: await rememberNonce(tx, { keyId, nonce }),
    isConfigured: (await findTarget(tx, target)) !== undefined,
  }));
  if (!isNew) {
    throw new AgentRefusal(
      401,
      'nonce-replayed',
      'This very request came before; sign each request with a nonce of its own.',
    );
  }
  if (!isConfigured) {
    throw new AgentRefusal(
      403,
      'target-removed',
      `The configuration has no target ${target} any more; stop this agent.`,
    );
  }
  return { tenantId, target, keyId, publicKey };
}

function readSignedForm(request: Request, publicUrl: URL | null): AgentRequest {
  try {
    return signedForm(request, publicUrl);
  } catch {
    throw new AgentRefusal(400, 'request-malformed', 'The request has no usable Host and path.');
  }
}
