import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { Envelope, EvidencePacket, Statement } from '@sluice/domain';
import { createPool, verifyEventChain, withTenant } from '@sluice/persistence';
import { canonicalJson } from '@sluice/pure';
import { composePacket, createStatementEnvelope, generateKeyPair } from '@sluice/signing';
import { runSluice } from '../../support/cli.ts';
import type { PromotionAnswer } from '../../support/documents.ts';
import type { TestStack } from '../../support/e2e-stack.ts';
import { readEngineContent } from '../../support/engine-payloads.ts';
import { readJournal } from '../../support/journal.ts';
import { findContradictions, queryStack } from '../../support/promotion-checks.ts';
import { findService } from '../../support/service-images.ts';
import type { MadeRelease } from '../../support/stack-client.ts';
import { waitFor } from '../../support/wait-for.ts';

const TYPES = ['scan', 'decision', 'deployment'].map((name) => `urn:sluice:${name}:v1`);

const TRACE = /^\{"traceparent":"00-[0-9a-f]{32}-[0-9a-f]{16}-0\d"\}$/;

/** The samples, the first of all: one release goes to two environments, one is denied. */
export function describeFirstRelease(getStack: () => TestStack): void {
  describe('the first release', () => {
    let made: TestStack;
    let clean: MadeRelease;
    let leaking: MadeRelease;
    /** 1.0.0 in dev, then 1.0.0 in stage, then 1.1.0 in dev. */
    let first: PromotionAnswer;
    let second: PromotionAnswer;
    let denied: PromotionAnswer;
    let headers: Headers;
    let servicesBefore: unknown;

    beforeAll(async () => {
      made = getStack();
      const { client, scanner, stack } = made;
      clean = await client.release('1.0.0', 'samples', 'hello');
      await scanner.setModeOf(clean.image, 'real');
      const requested = await client.requestWithHeaders(clean.id, 'dev');
      headers = requested.headers;
      first = await client.untilSealed(requested.id);
      second = await client.promote(clean.id, 'stage');
      servicesBefore = await targetState();
      leaking = await client.release('1.1.0', 'samples', 'hello');
      await scanner.setModeOf(leaking.image, 'real');
      denied = await client.promote(leaking.id, 'dev');
      first = await waitFor('all events are linked', async () => {
        const promotion = await client.promotion(first.id);
        const isLinked = promotion.events.edges.every(({ node }) => node.position !== null);
        return isLinked && promotion;
      });
      await writeFile(join(made.folder, 'packet.json'), first.packet?.document ?? '');
      await writeFile(join(made.folder, 'trust-root.json'), await readFile(stack.trustRootFile));
    }, 180_000);

    async function targetState(): Promise<unknown> {
      const { stack } = made;
      const service = await readFile(
        join(stack.layout.agentsDir, 'dev-host-1', 'service.json'),
        'utf8',
      );
      return { service: JSON.parse(service), journal: await readJournal(stack, 'dev-host-1') };
    }

    describe('1.0.0, which is clean', () => {
      test('is deployed, verified and answers over HTTP', async () => {
        expect(first).toMatchObject({ state: 'SUCCEEDED', reason: null });
        expect(first.steps.map(({ id, state }) => `${id} ${state}`)).toEqual([
          'scan SUCCEEDED',
          'gate SUCCEEDED',
          'plan SUCCEEDED',
          'deploy SUCCEEDED',
          'verify SUCCEEDED',
        ]);
        expect(first.steps.every(({ seconds }) => (seconds ?? -1) >= 0)).toBe(true);
        expect(first.decision).toMatchObject({ decision: 'ALLOW', reasonCodes: [] });
        const service = await findService(made.stack.getServicePort('dev-host-1'));
        expect(service).toMatchObject({ service: 'hello', version: '1.0.0' });
        const { currentRelease } = await made.client.target('dev-host-1');
        expect(currentRelease?.id).toBe(clean.id);
        expect(await findContradictions(made.stack, first)).toEqual([]);
      });

      test('has one statement of each type, and the SBOM is the same both times', async () => {
        const types = first.evidence.map(({ predicateType }) => predicateType);
        expect(types).toEqual([...TYPES, 'urn:sluice:promotion:v1']);
        const sbomOf = ({ steps }: PromotionAnswer): string | undefined =>
          steps[0]?.outputs['sbom'];
        expect(sbomOf(first)).toMatch(/^sha256:[0-9a-f]{64}$/);
        expect(second.state).toBe('SUCCEEDED');
        expect(sbomOf(second)).toBe(sbomOf(first));
      });

      test('has events in one whole hash chain', async () => {
        const { stack } = made;
        const positions = first.events.edges.map(({ node }) => Number(node.position));
        expect(positions).toEqual([...positions].sort((left, right) => left - right));
        const types = first.events.edges.map(({ node }) => node.type);
        expect(types).toEqual(
          expect.arrayContaining(['promotion.requested', 'command.dispatched', 'promotion.sealed']),
        );
        const pool = createPool({
          connectionString: stack.databaseUrls['sluice_app'] ?? '',
          applicationName: 'first-release-test',
        });
        const verdict = await withTenant(pool, stack.tenant, (tx) => verifyEventChain(tx)).finally(
          () => pool.close(),
        );
        expect(verdict).toMatchObject({ ok: true, length: expect.any(Number) });
      });

      test('is one trace from the mutation to the agent', async () => {
        const { stack } = made;
        const traceId = headers.get('traceparent')?.split('-')[1] ?? '';
        expect(traceId).toMatch(/^[0-9a-f]{32}$/);
        expect(first.traceId).toBe(traceId);
        const others = first.events.edges.filter(({ node }) => node.traceId !== traceId);
        expect(others).toEqual([]);
        for (const name of ['api', 'worker', 'agent-dev-host-1']) {
          const lines = (await readFile(stack.getLogFile(name), 'utf8')).split('\n');
          const traced = lines.filter((line) => line.includes(`"traceId":"${traceId}"`));
          expect({ name, traced: traced.length > 0 }).toEqual({ name, traced: true });
        }
      });
    });

    describe('1.1.0, in which a private key was left', () => {
      test('is denied with the rule, the finding and what to do', () => {
        expect(denied.state).toBe('DENIED');
        expect(denied.decision).toMatchObject({ decision: 'DENY', reasonCodes: ['secret-found'] });
        const entry = denied.decision?.trace.find(({ result }) => result === 'DENY');
        expect(entry).toMatchObject({
          rule: 'secret-in-image',
          finding: expect.stringContaining('app/deploy-key.pem'),
          remedy: expect.stringMatching(/Remove .*app\/deploy-key\.pem.* release a new version/),
        });
        expect(denied.steps.map(({ state }) => state)).toEqual([
          'SUCCEEDED',
          'FAILED',
          'SKIPPED',
          'SKIPPED',
          'SKIPPED',
        ]);
        expect(denied.packet).not.toBeNull();
        expect(denied.evidence.map(({ predicateType }) => predicateType)).not.toContain(TYPES[2]);
      });

      test('does not touch the target', async () => {
        expect(await targetState()).toEqual(servicesBefore);
        expect(denied.deployments).toEqual([]);
        const commands = await queryStack(
          made.stack,
          'select from sluice.commands where promotion_id = $1 or release_digest = $2',
          [denied.id, leaking.id],
        );
        expect(commands).toEqual([]);
      });
    });

    test('the engine holds no plain text', async () => {
      const { runs, payloads, texts } = await readEngineContent(made.stack);
      expect([...runs.keys()].filter((id) => id.startsWith('promotion/'))).toHaveLength(3);
      expect(payloads.length).toBeGreaterThan(50);
      // Which trace an execution belongs to is told beside its payloads, and is nobody's secret.
      const told = payloads.filter(
        ({ encoding, text }) => encoding !== 'json/plain' || !TRACE.test(text),
      );
      expect(new Set(told.map(({ encoding }) => encoding))).toEqual(
        new Set(['binary/sluice-aes256gcm-v1']),
      );
      const secret = [
        'hello',
        'deploy-key',
        clean.id.slice(7),
        clean.image.slice(7),
        leaking.id.slice(7),
      ];
      const all = [...payloads.map(({ text }) => text), ...texts];
      expect(secret.filter((word) => all.some((text) => text.includes(word)))).toEqual([]);
    });
  });
}

/** To be called behind everything that needs the stack. */
export function describeFirstPacket(getStack: () => TestStack): void {
  describe('the packet of the first release, verified by the real CLI with everything stopped', () => {
    let made: TestStack;
    let text: string;
    let packet: EvidencePacket;

    beforeAll(async () => {
      made = getStack();
      await made.stack.stop();
      text = await readFile(join(made.folder, 'packet.json'), 'utf8');
      packet = JSON.parse(text) as EvidencePacket;
    });

    async function verify(content: string) {
      const file = join(made.folder, 'examined.json');
      await writeFile(file, content);
      const trustRoot = join(made.folder, 'trust-root.json');
      const end = await runSluice(['verify', file, '--trust-root', trustRoot, '--json']);
      return {
        status: end.status,
        answer: JSON.parse(end.stdout) as {
          ok: boolean;
          problems: { statement: string; code: string }[];
          promotion: { promotionId: string; state: string } | null;
        },
      };
    }

    test('is verified', async () => {
      const { status, answer } = await verify(text);
      expect({ status, ok: answer.ok }).toEqual({ status: 0, ok: true });
      expect(answer.promotion).toMatchObject({ promotionId: 'dev/1', state: 'succeeded' });
    });

    test('one changed byte in any statement is refused, naming it', async () => {
      const envelopes = [
        ...packet.statements.map((envelope, index) => [`statements[${index}]`, envelope] as const),
        ['root', packet.root] as const,
      ];
      expect(envelopes).toHaveLength(4);
      for (const [name, { payload }] of envelopes) {
        // Still Base64, still JSON: a digit of the payload becomes another one.
        const bytes = Buffer.from(payload, 'base64');
        const digit = bytes.findIndex((byte, at) => at > 100 && byte >= 0x31 && byte <= 0x38);
        bytes[digit] = (bytes[digit] ?? 0) + 1;
        const { status, answer } = await verify(text.replace(payload, bytes.toString('base64')));
        expect({ name, status }).toEqual({ name, status: 4 });
        expect(answer.problems.map(({ statement }) => statement.split(' ')[0])).toContain(name);
      }
    });

    test('a packet that was signed whole with another key is refused', async () => {
      const stranger = generateKeyPair();
      const signAnew = (envelope: Envelope): Envelope =>
        createStatementEnvelope(
          JSON.parse(Buffer.from(envelope.payload, 'base64').toString('utf8')) as Statement,
          stranger,
        );
      const statements = packet.statements.map(signAnew);
      const forged = composePacket(packet.promotion, statements, signAnew(packet.root));
      const { status, answer } = await verify(canonicalJson(forged));
      expect(status).toBe(4);
      expect(new Set(answer.problems.map(({ code }) => code)).size).toBe(1);
      expect(answer.problems).toHaveLength(4);
    });

    test('a file that is no packet is refused, and one that is not there is a usage error', async () => {
      expect((await verify('{}')).status).toBe(4);
      const trustRoot = join(made.folder, 'trust-root.json');
      const end = await runSluice(['verify', '/no/such/file', '--trust-root', trustRoot]);
      expect(end).toMatchObject({ status: 2, stderr: expect.stringContaining('/no/such/file') });
    });
  });
}
