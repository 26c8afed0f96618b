import { createCommandEnvelope } from '@sluice/agent-protocol';
import { COMMAND_SCHEMA } from '@sluice/domain';
import { digestOfBytes } from '@sluice/pure';
import {
  createStatementEnvelope,
  createTrustRoot,
  generateKeyPair,
  type KeyPair,
  type SignCommandRequest,
  type SignerClient,
  statementDigest,
} from '@sluice/signing';

/** A signer without records: it signs whatever it is given, and remembers the commands. */
export interface InMemorySigner extends SignerClient {
  readonly command: KeyPair;
  readonly evidence: KeyPair;
  readonly commands: readonly SignCommandRequest[];
}

/** @param fencingToken stands in every command, as the lease's token would */
export function createInMemorySigner(fencingToken = 1): InMemorySigner {
  const command = generateKeyPair();
  const evidence = generateKeyPair();
  const commands: SignCommandRequest[] = [];
  const notBefore = '2020-01-01T00:00:00Z';
  return {
    command,
    evidence,
    commands,
    async signCommand(request) {
      commands.push(request);
      const envelope = createCommandEnvelope(
        {
          schema: COMMAND_SCHEMA,
          ...request,
          agentKeyId: digestOfBytes('agent'),
          fencingToken,
          releaseDigest: digestOfBytes('release'),
        },
        command,
      );
      return { envelope, commandDigest: statementDigest(envelope) };
    },
    signStatement: async ({ statement }) => ({
      envelope: createStatementEnvelope(statement, evidence),
    }),
    signHistory: async ({ statement }) => ({
      envelope: createStatementEnvelope(statement, evidence),
    }),
    readTrustRoot: async () =>
      createTrustRoot([
        { publicKey: command.publicKey, use: 'command', notBefore },
        { publicKey: evidence.publicKey, use: 'evidence', notBefore },
      ]),
  };
}
