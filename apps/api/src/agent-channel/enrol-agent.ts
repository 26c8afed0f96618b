import { type EnrolResponse, parseEnrolRequest, verifyAgentRequest } from '@sluice/agent-protocol';
import type { TrustRoot } from '@sluice/domain';
import {
  consumeEnrolmentToken,
  findAgent,
  findTarget,
  insertEvent,
  isUniqueViolation,
  enrolAgent as storeAgent,
  withTenant,
} from '@sluice/persistence';
import { verifyEnrolmentToken } from '@sluice/pure';
import { keyIdOf, parseTrustRoot } from '@sluice/signing';
import type { Request } from 'express';
import type { ApiParts } from '../api-parts.ts';
import { assertInput, EnrolInput } from './agent.inputs.ts';
import { AgentRefusal, refuse } from './agent-refusal.ts';
import { signedForm } from './authenticate-agent.ts';
import { bodyOf } from './raw-body.middleware.ts';

/**
 * Makes a key the key of a target, by a one-time token and a request that the new key signed itself: nobody
 * can enrol a key that they do not hold. Another key of the target stops to count at once.
 */
export async function enrolAgent(
  parts: ApiParts,
  request: Request,
  traceId: string,
): Promise<EnrolResponse> {
  const parsed = parseEnrolRequest(bodyOf(request));
  if (!parsed.ok) throw refuse(400, parsed.refusal);
  assertInput(EnrolInput, parsed.value, 'body-malformed');
  const { token, publicKey, version } = parsed.value;
  const keyId = readKeyId(publicKey);
  const signed = await verifyAgentRequest(
    signedForm(request, parts.publicUrl),
    (id) => (id === keyId ? publicKey : undefined),
    parts.now(),
  );
  if (!signed.ok) throw refuse(401, signed.refusal);
  const enrolmentKey = await parts.readEnrolmentKey();
  if (enrolmentKey === undefined) {
    throw new AgentRefusal(
      403,
      'enrolment-disabled',
      'The configuration names no enrolment key; set enrolment.keyFile.',
    );
  }
  const verified = verifyEnrolmentToken(token, enrolmentKey, parts.now());
  if (!verified.ok) throw refuse(401, verified.refusal);
  const { tenantId, target, id } = verified.value;
  if (tenantId !== parts.tenantId) {
    throw new AgentRefusal(401, 'enrolment-token-foreign', 'The token is for another tenant.');
  }
  // Read before anything is stored: an agent without the trust root could verify no command.
  const trustRoot = await readTrustRoot(parts);
  await store(parts, { tenantId, target, tokenId: id, keyId, publicKey, version, traceId });
  const { heartbeatSeconds } = parts.agents;
  return { tenantId, target, agentKeyId: keyId, trustRoot, heartbeatSeconds };
}

interface Enrolment {
  readonly tenantId: string;
  readonly target: string;
  readonly tokenId: string;
  readonly keyId: string;
  readonly publicKey: string;
  readonly version: string;
  readonly traceId: string;
}

async function store(parts: ApiParts, enrolment: Enrolment): Promise<void> {
  const { tenantId, target, tokenId, keyId, publicKey, version, traceId } = enrolment;
  try {
    await withTenant(parts.pool, tenantId, async (tx) => {
      const earlier = await findAgent(tx, target);
      if (!(await consumeEnrolmentToken(tx, { tokenId, target }))) {
        // Its answer was lost (a crash, a broken connection): the very key that holds the target gets it again.
        if (earlier?.keyId === keyId && earlier.revokedAt === null) return;
        throw new AgentRefusal(
          401,
          'enrolment-token-used',
          'This token was used before; make a new one with `sluice agent enroll-token`.',
        );
      }
      if ((await findTarget(tx, target)) === undefined) {
        throw new AgentRefusal(
          404,
          'target-unknown',
          `There is no target ${target}; declare it in the configuration first.`,
        );
      }
      await storeAgent(tx, { target, keyId, publicKey, version });
      await insertEvent(tx, {
        type: 'agent.enrolled',
        actor: `agent:${target}`,
        subject: `target:${target}`,
        data: { keyId, version, replacedKeyId: earlier?.keyId ?? null, token: tokenId },
        traceId,
      });
    });
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw new AgentRefusal(
      409,
      'key-taken',
      'Another target has this key; every agent needs a key of its own.',
    );
  }
}

function readKeyId(publicKey: string): string {
  try {
    return keyIdOf(publicKey);
  } catch {
    throw new AgentRefusal(
      400,
      'public-key-invalid',
      'publicKey is no Ed25519 key in SPKI PEM form.',
    );
  }
}

async function readTrustRoot(parts: ApiParts): Promise<TrustRoot> {
  return parseTrustRoot(await parts.readTrustRoot());
}
