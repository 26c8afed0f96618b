import { join } from 'node:path';
import type { AgentClient, EnrolResponse } from '@sluice/agent-protocol';
import { ensureKeyPair, type KeyPair, parseTrustRoot } from '@sluice/signing';
import { findJson, writeWhole } from '@sluice/target-drivers';
import { AGENT_VERSION } from './agent-settings.ts';

/** Who this agent is, as the control plane said once; the trust root stays pinned from then on. */
export type Enrolment = EnrolResponse;

/** The agent can not become one: a person must help. */
export class EnrolmentError extends Error {
  readonly code = 'enrolment-failed';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EnrolmentError';
  }
}

/** The agent's Ed25519 key: a file of mode 600 in its state folder, made at its first start. */
export function openIdentity(stateDir: string): KeyPair {
  return ensureKeyPair(join(stateDir, 'agent.key'));
}

/** What the control plane said at enrolment; undefined before. */
export async function findEnrolment(
  stateDir: string,
  keyPair: KeyPair,
): Promise<Enrolment | undefined> {
  const path = enrolmentPath(stateDir);
  const found = await findJson<Enrolment>(path);
  if (found === undefined) return undefined;
  if (found.agentKeyId !== keyPair.keyId) {
    throw new EnrolmentError(
      `${path} is for the key ${found.agentKeyId}, but agent.key is ${keyPair.keyId}: restore the key, or remove both and enrol with a new token.`,
    );
  }
  return { ...found, trustRoot: parseTrustRoot(found.trustRoot) };
}

/**
 * Enrols with the one-time token and keeps the answer.
 * @throws EnrolmentError when there is no token or it is refused; AgentProtocolError when nobody answers
 */
export async function enrol(
  stateDir: string,
  keyPair: KeyPair,
  client: Pick<AgentClient, 'enrol'>,
  token: string | undefined,
): Promise<Enrolment> {
  if (token === undefined) {
    throw new EnrolmentError(
      'This agent is not enrolled and has no token: print one with "sluice agent enroll-token --target <name>" and give it as SLUICE_AGENT_TOKEN.',
    );
  }
  const answer = await client.enrol(token, AGENT_VERSION).catch((error: unknown) => {
    const { code, message } = error as { code?: unknown; message: string };
    if (code !== 'control-plane-refused') throw error;
    throw new EnrolmentError(`${message} Print a new token and start again.`, { cause: error });
  });
  if (answer.agentKeyId !== keyPair.keyId) {
    throw new EnrolmentError(
      `The control plane enrolled the key ${answer.agentKeyId}, not ours (${keyPair.keyId}).`,
    );
  }
  await writeWhole(enrolmentPath(stateDir), `${JSON.stringify(answer, null, 2)}\n`);
  return answer;
}

function enrolmentPath(stateDir: string): string {
  return join(stateDir, 'enrolment.json');
}
