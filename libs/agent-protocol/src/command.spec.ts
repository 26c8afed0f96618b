import { describe, expect, test } from '@jest/globals';
import {
  type AgentCommand,
  type AgentReport,
  COMMAND_SCHEMA,
  type CommandPayload,
  composeRouteTable,
  type Outcome,
  PAYLOAD_SCHEMA,
  REPORT_SCHEMA,
  ROUTE_PAYLOAD_SCHEMA,
  type RoutePayload,
} from '@sluice/domain';
import { canonicalJson, digestOf } from '@sluice/pure';
import { createEnvelope, createTrustRoot, generateKeyPair, statementDigest } from '@sluice/signing';
import {
  COMMAND_PAYLOAD_TYPE,
  createCommandEnvelope,
  createReportEnvelope,
  openCommand,
  openCommandPayload,
  openReport,
  openRoutePayload,
  REPORT_PAYLOAD_TYPE,
} from './command.ts';

const digest = (digit: string): string => `sha256:${digit.repeat(64)}`;
const signer = generateKeyPair();
const agent = generateKeyPair();
const now = Date.parse('2026-11-21T12:00:00Z');
const trustRoot = createTrustRoot([
  { publicKey: signer.publicKey, use: 'command', notBefore: '2026-01-01T00:00:00Z' },
]);
const payload: CommandPayload = {
  schema: PAYLOAD_SCHEMA,
  environment: 'dev',
  desired: {
    release: { digest: digest('a'), name: 'shop', version: '1.0.0' },
    components: [
      {
        name: 'web',
        kind: 'oci',
        digest: digest('b'),
        version: '1.0.0',
        manifest: { mediaType: 'application/json', digest: digest('b'), size: 10 },
      },
    ],
    settings: { PORT: '8080', TOKEN: { secret: 'web-token' } },
  },
  health: {
    path: '/healthz',
    port: 8080,
    intervalMs: 500,
    timeoutMs: 1000,
    successes: 1,
    failures: 5,
  },
  traceparent: '',
};
const command: AgentCommand = {
  schema: COMMAND_SCHEMA,
  tenantId: 'default',
  target: 'dev-1',
  agentKeyId: agent.keyId,
  sequence: 1,
  fencingToken: 1,
  kind: 'deploy',
  promotionId: 'dev/1',
  releaseDigest: digest('a'),
  planDigest: digest('c'),
  payloadDigest: digestOf(payload),
  notBefore: '2026-11-21T12:00:00Z',
  expiresAt: '2026-11-21T12:05:00Z',
  idempotencyKey: 'dev/1:deploy:dev-1',
};
const report: AgentReport = {
  schema: REPORT_SCHEMA,
  tenantId: 'default',
  target: 'dev-1',
  agentKeyId: agent.keyId,
  commandDigest: digest('d'),
  sequence: 1,
  stage: 'refused',
  at: '2026-11-21T12:00:01Z',
  failure: { code: 'command-expired', message: 'Expired.' },
  activeRelease: null,
};

function codeOf(outcome: Outcome<unknown>): string {
  return outcome.ok ? 'ok' : outcome.refusal.code;
}

describe('a command', () => {
  test('opens as what was signed, with the digest that reports name', () => {
    const envelope = createCommandEnvelope(command, signer);
    expect(openCommand(envelope, trustRoot, now)).toEqual({
      ok: true,
      value: { command, commandDigest: statementDigest(envelope), keyId: signer.keyId },
    });
  });

  test('is refused from another key, an evidence key, and a key that is not valid now', () => {
    const foreign = createCommandEnvelope(command, generateKeyPair());
    expect(codeOf(openCommand(foreign, trustRoot, now))).toBe('key-not-trusted');
    const genuine = createCommandEnvelope(command, signer);
    const evidence = createTrustRoot([
      { publicKey: signer.publicKey, use: 'evidence', notBefore: '2026-01-01T00:00:00Z' },
    ]);
    expect(codeOf(openCommand(genuine, evidence, now))).toBe('key-not-trusted');
    expect(codeOf(openCommand(genuine, trustRoot, Date.parse('2025-01-01')))).toBe(
      'key-not-trusted',
    );
  });

  test('is refused with any changed byte of its payload', () => {
    const envelope = createCommandEnvelope(command, signer);
    const bytes = Buffer.from(envelope.payload, 'base64');
    for (let at = 0; at < bytes.length; at += 7) {
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      const changed = { ...envelope, payload: bytes.toString('base64') };
      expect(codeOf(openCommand(changed, trustRoot, now))).toBe('key-not-trusted');
      bytes[at] = (bytes[at] ?? 0) ^ 1;
    }
  });

  test('signed as a report, or a report signed as a command, is refused', () => {
    const asReport = createEnvelope(REPORT_PAYLOAD_TYPE, canonicalJson(command), signer);
    expect(codeOf(openCommand(asReport, trustRoot, now))).toBe('command-malformed');
  });

  const { kind: _, ...kindless } = command;
  test.each([
    ['a missing field', kindless],
    ['an unknown field', { ...command, more: 1 }],
    ['another schema', { ...command, schema: 'x' }],
    ['a sequence of 0', { ...command, sequence: 0 }],
    ['a sequence that is no integer', { ...command, sequence: 1.5 }],
    ['a fencing token as text', { ...command, fencingToken: '1' }],
    ['an unknown kind', { ...command, kind: 'destroy' }],
    ['a digest that is none', { ...command, planDigest: 'sha256:x' }],
    ['a time that is none', { ...command, notBefore: 'now' }],
    ['an end before its start', { ...command, expiresAt: command.notBefore }],
    ['a target that is no name', { ...command, target: '../x' }],
  ])('with %s is malformed', (_name, body) => {
    const envelope = createEnvelope(COMMAND_PAYLOAD_TYPE, canonicalJson(body), signer);
    expect(codeOf(openCommand(envelope, trustRoot, now))).toBe('command-malformed');
  });

  test('in a text that is not canonical is malformed', () => {
    const text = JSON.stringify(command, null, 1);
    const envelope = createEnvelope(COMMAND_PAYLOAD_TYPE, text, signer);
    expect(codeOf(openCommand(envelope, trustRoot, now))).toBe('command-malformed');
  });
});

describe('what travels beside a command', () => {
  test('opens when its digest is the one that the command names', () => {
    expect(openCommandPayload(canonicalJson(payload), command)).toEqual({
      ok: true,
      value: payload,
    });
    const emptied = { ...payload, desired: null };
    const text = canonicalJson(emptied);
    const forIt = { ...command, payloadDigest: digestOf(emptied) };
    expect(openCommandPayload(text, forIt)).toEqual({ ok: true, value: emptied });
  });

  test.each([
    ['a release with its settings', { release: digest('e'), settingsDigest: digest('f') }],
    ['an empty target', null],
  ])('opens when it expects %s', (_, expects) => {
    const expecting: CommandPayload = { ...payload, expects };
    const forIt = { ...command, payloadDigest: digestOf(expecting) };
    const opened = openCommandPayload(canonicalJson(expecting), forIt);
    expect(opened).toEqual({ ok: true, value: expecting });
    expect(opened.ok && Object.hasOwn(opened.value, 'expects')).toBe(true);
  });

  test.each([
    ['text', digest('e')],
    ['a list', [digest('e'), digest('f')]],
    ['nothing of it', {}],
    ['no settings', { release: digest('e') }],
    ['no release', { settingsDigest: digest('f') }],
    ['a release of null', { release: null, settingsDigest: digest('f') }],
    ['a release by name', { release: 'shop', settingsDigest: digest('f') }],
    ['a digest in capitals', { release: digest('E'), settingsDigest: digest('f') }],
    ['a short digest', { release: digest('e'), settingsDigest: 'sha256:ff' }],
    ['more', { release: digest('e'), settingsDigest: digest('f'), plan: digest('c') }],
    ['false', false],
  ])('is refused when what it expects is %s', (_, expects) => {
    const odd = { ...payload, expects };
    const forIt = { ...command, payloadDigest: digestOf(odd) };
    expect(openCommandPayload(canonicalJson(odd), forIt)).toMatchObject({
      ok: false,
      refusal: { code: 'payload-malformed', message: expect.stringContaining('expects') },
    });
  });

  test('is refused when it does not match, or is not of its form', () => {
    expect(codeOf(openCommandPayload(`${canonicalJson(payload)} `, command))).toBe(
      'payload-mismatch',
    );
    for (const odd of [
      { ...payload, more: 1 },
      { ...payload, health: { ...payload.health, port: 70_000 } },
      { ...payload, health: { ...payload.health, path: 'x' } },
      { ...payload, desired: { ...payload.desired, settings: { A: 1 } } },
      { ...payload, desired: { ...payload.desired, settings: { A: { secret: 'x', more: 1 } } } },
    ]) {
      const forIt = { ...command, payloadDigest: digestOf(odd) };
      expect(codeOf(openCommandPayload(canonicalJson(odd), forIt))).toBe('payload-malformed');
    }
  });
});

describe('a payload of a change of routes', () => {
  const route: RoutePayload = {
    schema: ROUTE_PAYLOAD_SCHEMA,
    environment: 'dev',
    router: 'edge',
    table: composeRouteTable({
      backend: 'shop',
      pools: {
        stable: [{ name: 'web-1', address: '10.0.0.1', port: 8080 }],
        canary: [{ name: 'web-2', address: '10.0.0.2', port: 8080 }],
      },
      canaryPermille: 50,
      match: [{ header: { name: 'x-beta', value: '1' } }],
    }),
    expects: digest('e'),
    traceparent: '',
  };
  const commandFor = (body: RoutePayload): AgentCommand => ({
    ...command,
    target: 'edge',
    kind: 'route',
    planDigest: digestOf(body.table),
    payloadDigest: digestOf(body),
  });
  const openAs = (body: RoutePayload, changed: Partial<AgentCommand> = {}) =>
    openRoutePayload(canonicalJson(body), { ...commandFor(body), ...changed });

  test('opens as it was sent, expecting a table, none or anything', () => {
    const { expects: _expects, ...anything } = route;
    for (const body of [route, { ...route, expects: null }, anything]) {
      expect(openAs(body)).toEqual({ ok: true, value: body });
    }
    expect(openCommand(createCommandEnvelope(commandFor(route), signer), trustRoot, now).ok).toBe(
      true,
    );
  });

  test('is refused when it is another one, for another router, or of another table', () => {
    expect(codeOf(openAs(route, { payloadDigest: digest('f') }))).toBe('payload-mismatch');
    expect(codeOf(openAs(route, { target: 'side' }))).toBe('payload-mismatch');
    expect(codeOf(openAs(route, { planDigest: digest('f') }))).toBe('payload-mismatch');
  });

  test('is refused when it is none, or its table is none', () => {
    const odd = (more: object): RoutePayload => ({ ...route, ...more }) as RoutePayload;
    expect(codeOf(openAs(odd({ more: 1 })))).toBe('payload-malformed');
    expect(codeOf(openAs(odd({ expects: 'shop' })))).toBe('payload-malformed');
    expect(codeOf(openAs(odd({ schema: PAYLOAD_SCHEMA })))).toBe('payload-malformed');
    const { table } = route;
    for (const bad of [
      { ...table, canaryPermille: 1001 },
      { ...table, backend: 'a; b' },
      { ...table, pools: { ...table.pools, stable: [] } },
    ]) {
      expect(openAs(odd({ table: bad }))).toMatchObject({
        ok: false,
        refusal: { code: 'route-invalid' },
      });
    }
  });
});

describe('a report', () => {
  test('opens with the key of the agent that signed it', () => {
    expect(openReport(createReportEnvelope(report, agent), agent.publicKey)).toEqual({
      ok: true,
      value: report,
    });
  });

  test('is refused from another agent, or naming another key', () => {
    const other = generateKeyPair();
    expect(codeOf(openReport(createReportEnvelope(report, other), agent.publicKey))).toBe(
      'key-not-trusted',
    );
    expect(codeOf(openReport(createReportEnvelope(report, other), other.publicKey))).toBe(
      'report-malformed',
    );
  });

  test.each([
    ['an unknown stage', { ...report, stage: 'done' }],
    ['a failure without a code', { ...report, failure: { message: 'x' } }],
    ['a failure although it is confirmed', { ...report, stage: 'confirmed' }],
    ['an unknown field', { ...report, more: 1 }],
  ])('with %s is malformed', (_, body) => {
    const envelope = createEnvelope(REPORT_PAYLOAD_TYPE, canonicalJson(body), agent);
    expect(codeOf(openReport(envelope, agent.publicKey))).toBe('report-malformed');
  });
});
