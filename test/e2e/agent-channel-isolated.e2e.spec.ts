import { spawnSync } from 'node:child_process';
import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createAgentClient, createCommandEnvelope } from '@sluice/agent-protocol';
import type { AgentCommand, Envelope } from '@sluice/domain';
import { digestOfBytes } from '@sluice/pure';
import { generateKeyPair, type KeyPair, loadKeyPair, statementDigest } from '@sluice/signing';
import { startTestStack, type TestStack } from '../support/e2e-stack.ts';
import { readJournal } from '../support/journal.ts';
import { queryStack } from '../support/promotion-checks.ts';
import { findService, serviceImage } from '../support/service-images.ts';
import type { MadeRelease } from '../support/stack-client.ts';
import { waitFor } from '../support/wait-for.ts';

const TARGET = 'dev-host-1';
const NOBODY = { uid: 65534, gid: 65534 };
const ROOT = process.getuid?.() === 0;
const ELSEWHERE = `sha256:${'5'.repeat(64)}`;

let made: TestStack;
let first: MadeRelease;
let second: MadeRelease;
/** The one command that the agent carried out. */
let carriedOut: {
  readonly command: AgentCommand;
  readonly envelope: Envelope;
  readonly payload: string;
};
let commandKey: KeyPair;
let serviceBefore: unknown;

beforeAll(async () => {
  made = await startTestStack({
    images: [serviceImage('1.0.0'), serviceImage('2.0.0')],
    scannerMode: 'clean',
    targets: [{ name: TARGET, environment: 'dev' }],
    // Forged commands with high sequences hide true ones until the next poll, not for ever.
    env: { [`agent-${TARGET}`]: { SLUICE_AGENT_POLL_SECONDS: '2' } },
    ...(ROOT ? { agentIdentity: NOBODY } : {}),
  });
  const { client, stack, folder } = made;
  const { evidenceDir, keysDir, signerKeysDir } = stack.layout;
  for (const secret of [evidenceDir, keysDir, join(folder, 'images')]) await chmod(secret, 0o700);
  first = await client.release('1.0.0');
  second = await client.release('2.0.0');
  expect(await client.promote(first.id, 'dev')).toMatchObject({ state: 'SUCCEEDED' });
  const [row] = await queryStack<{ envelope: Envelope; payload: string }>(
    stack,
    'select envelope, payload from sluice.commands',
  );
  const { envelope, payload } = row ?? { envelope: { payload: '' } as Envelope, payload: '' };
  const command = JSON.parse(Buffer.from(envelope.payload, 'base64').toString()) as AgentCommand;
  carriedOut = { command, envelope, payload };
  commandKey = loadKeyPair(join(signerKeysDir, 'command.key.pem'));
  serviceBefore = await findService(stack.getServicePort(TARGET));
}, 120_000);

afterAll(() => made?.remove());

/** Puts a command into the agent's queue past the signer, as somebody who has the database could. */
async function inject(envelope: Envelope, payload: string, digest: string): Promise<void> {
  const { stack } = made;
  await queryStack(
    stack,
    `insert into sluice.commands (tenant_id, target_id, sequence, command_digest, kind, promotion_id, release_digest,
        idempotency_key, envelope, payload, fencing_token, expires_at, workflow_id, run_id, activity_id)
     select tenant_id, target_id, (select max(sequence) + 1000 from sluice.commands), $1, kind, promotion_id, release_digest,
        'injected ' || $1, $2, $3, fencing_token, expires_at, workflow_id, run_id, 'none'
       from sluice.commands order by sequence limit 1`,
    [digest, JSON.stringify(envelope), payload],
  );
  await queryStack(stack, `select pg_notify('sluice_commands', $1)`, [`${stack.tenant}/${TARGET}`]);
}

/** A command for 2.0.0 that would be carried out if nothing were wrong with it. */
function craft(changes: Partial<AgentCommand>): { command: AgentCommand; payload: string } {
  const { command, payload } = carriedOut;
  const wanted = payload.replaceAll(first.id, second.id).replaceAll(first.image, second.image);
  const now = Date.now();
  return {
    payload: wanted,
    command: {
      ...command,
      sequence: command.sequence + 100,
      idempotencyKey: `dev/9/deploy/${now}`,
      releaseDigest: second.id,
      payloadDigest: digestOfBytes(wanted),
      notBefore: new Date(now - 10_000).toISOString(),
      expiresAt: new Date(now + 60_000).toISOString(),
      ...changes,
    },
  };
}

async function expectRefused(envelope: Envelope, payload: string, code: string): Promise<void> {
  const { stack, client } = made;
  const before = await readJournal(stack, TARGET);
  const digest = statementDigest(envelope);
  const isKnown = before.some(({ commandDigest }) => commandDigest === digest);
  await inject(envelope, payload, isKnown ? ELSEWHERE : digest);
  const refusal = await waitFor('the agent refuses it', async () =>
    (await readJournal(stack, TARGET)).slice(before.length).at(-1),
  );
  expect(refusal).toMatchObject({ stage: 'refused', commandDigest: digest, failure: { code } });
  expect((await readJournal(stack, TARGET)).length).toBe(before.length + 1);
  expect(await findService(stack.getServicePort(TARGET))).toEqual(serviceBefore);
  expect((await client.target(TARGET)).currentRelease?.version).toBe('1.0.0');
}

test('the agent works as a user who can read nothing of the control plane', async () => {
  const { stack, folder } = made;
  const { evidenceDir, keysDir } = stack.layout;
  expect(serviceBefore).toMatchObject({ version: '1.0.0' });
  if (!ROOT) return;
  for (const secret of [evidenceDir, keysDir, join(folder, 'images')]) {
    const { status } = spawnSync('ls', [secret], { ...NOBODY, stdio: 'ignore' });
    expect({ secret, readable: status === 0 }).toEqual({ secret, readable: false });
  }
  const status = await readFile(`/proc/${stack.getPid(`agent-${TARGET}`)}/status`, 'utf8');
  expect(/^Uid:\s+(\d+)\s+(\d+)/m.exec(status)?.slice(1)).toEqual(['65534', '65534']);
});

describe('a command is refused by the agent when it', () => {
  test('is signed by a stranger', async () => {
    const { command, payload } = craft({});
    const envelope = createCommandEnvelope(command, generateKeyPair());
    await expectRefused(envelope, payload, 'key-not-trusted');
  });

  test('is signed by the key for evidence', async () => {
    const { command, payload } = craft({ sequence: 200 });
    const evidenceKey = loadKeyPair(join(made.stack.layout.signerKeysDir, 'evidence.key.pem'));
    const envelope = createCommandEnvelope(command, evidenceKey);
    await expectRefused(envelope, payload, 'key-not-trusted');
  });

  test('was changed after it was signed', async () => {
    const { command, payload } = craft({ sequence: 201 });
    const envelope = createCommandEnvelope(command, commandKey);
    const changed = Buffer.from(envelope.payload, 'base64')
      .toString('utf8')
      .replace('"sequence":201', '"sequence":202');
    const forged = { ...envelope, payload: Buffer.from(changed).toString('base64') };
    await expectRefused(forged, payload, 'key-not-trusted');
  });

  test('comes with another payload than it names', async () => {
    const { command, payload } = craft({});
    const envelope = createCommandEnvelope(command, commandKey);
    await expectRefused(envelope, payload.replace('healthz', 'elsewhere'), 'payload-mismatch');
  });

  const minute = 60_000;
  test.each<[string, () => Partial<AgentCommand>, string]>([
    ['repeats a sequence', () => ({ sequence: carriedOut.command.sequence }), 'command-replayed'],
    [
      'repeats an intent under a new sequence',
      () => ({ idempotencyKey: carriedOut.command.idempotencyKey }),
      'command-replayed',
    ],
    ['has a token that is fenced off', () => ({ fencingToken: 0 }), 'command-fenced-off'],
    [
      'has expired',
      () => ({ expiresAt: new Date(Date.now() - 1000).toISOString() }),
      'command-expired',
    ],
    [
      'is not valid yet',
      () => ({
        notBefore: new Date(Date.now() + minute).toISOString(),
        expiresAt: new Date(Date.now() + 2 * minute).toISOString(),
      }),
      'command-not-yet-valid',
    ],
    ['is for another target', () => ({ target: 'dev-host-2' }), 'command-foreign'],
    ['is for another tenant', () => ({ tenantId: 'others' }), 'command-foreign'],
    ['is for another agent key', () => ({ agentKeyId: ELSEWHERE }), 'command-foreign'],
  ])('%s', async (_, changes, code) => {
    const { command, payload } = craft(changes());
    await expectRefused(createCommandEnvelope(command, commandKey), payload, code);
  });

  test('is the very command that it carried out before', async () => {
    await expectRefused(carriedOut.envelope, carriedOut.payload, 'command-replayed');
  });
});

describe('the control plane refuses', () => {
  test('a request by a key that it does not know', async () => {
    const client = createAgentClient({ baseUrl: made.stack.apiUrl, keyPair: generateKeyPair() });
    await expect(client.pollCommands(0, 0)).rejects.toMatchObject({
      code: 'control-plane-refused',
      status: 401,
    });
  });

  test('a blob that no command to the target names', async () => {
    const { stack } = made;
    const keyPair = loadKeyPair(join(stack.layout.agentsDir, TARGET, 'agent.key'));
    const client = createAgentClient({ baseUrl: stack.apiUrl, keyPair });
    const read = async (digest: string): Promise<number> => {
      let bytes = 0;
      for await (const chunk of client.fetchBlob(digest, { maxBytes: 1e6 })) bytes += chunk.length;
      return bytes;
    };
    expect(await read(first.image)).toBeGreaterThan(0);
    await expect(read(second.image)).rejects.toMatchObject({ refusalCode: 'blob-unknown' });
  });
});

test('once the injected commands are out of the records a true one is carried out', async () => {
  const { client, stack } = made;
  // Until then the signer refuses: their sequences are used.
  const injected = `select command_digest from sluice.commands where idempotency_key like 'injected %'`;
  await queryStack(stack, `delete from sluice.agent_reports where command_digest in (${injected})`);
  await queryStack(stack, `delete from sluice.commands where command_digest in (${injected})`);
  expect(await client.promote(second.id, 'dev')).toMatchObject({
    state: 'SUCCEEDED',
    reason: null,
  });
  expect(await findService(stack.getServicePort(TARGET))).toMatchObject({ version: '2.0.0' });
});
