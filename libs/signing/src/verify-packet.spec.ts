import { expect, test } from '@jest/globals';
import { type EvidencePacket, PREDICATE_TYPES, type Statement } from '@sluice/domain';
import { canonicalJson } from '@sluice/pure';
import { createStatementEnvelope } from './dsse.ts';
import { generateKeyPair, type KeyPair } from './key-pair.ts';
import { composePacket, type PromotionFacts, packetText, sealPacket } from './packet.ts';
import { composeStatement } from './statement.ts';
import { createTrustRoot } from './trust-root.ts';
import { verifyPacket } from './verify-packet.ts';

const pair = generateKeyPair();
const context = {
  promotionId: 'dev/1',
  release: { name: 'shop', version: '1.0.0', digest: `sha256:${'ab'.repeat(32)}` },
};
const facts: PromotionFacts = {
  state: 'succeeded',
  reason: null,
  endedAt: '2026-11-21T12:00:00Z',
  environment: 'dev',
};
const statements = [
  composeStatement(PREDICATE_TYPES.scan, context, { stepId: 'scan' }),
  composeStatement(PREDICATE_TYPES.decision, context, { decision: { decision: 'allow' } }),
  composeStatement(PREDICATE_TYPES.deployment, context, { target: 'dev-1' }),
];

function rootOf(key: KeyPair, times: { notBefore?: string; notAfter?: string } = {}) {
  const notBefore = times.notBefore ?? '2026-01-01T00:00:00Z';
  const notAfter = times.notAfter ?? null;
  return createTrustRoot([{ publicKey: key.publicKey, use: 'evidence', notBefore, notAfter }]);
}

const trustRoot = rootOf(pair);
const packet = sealPacket(context, facts, statements, pair);
const text = packetText(packet);

function problemsOf(value: unknown, root = trustRoot): string[] {
  return verifyPacket(value, root).problems.map(({ statement, code }) => `${statement}: ${code}`);
}

test('a sealed packet verifies as text, as bytes and parsed, and says what it is about', () => {
  for (const form of [text, Buffer.from(text), packet]) {
    expect(verifyPacket(form, trustRoot)).toMatchObject({
      ok: true,
      promotion: {
        promotionId: 'dev/1',
        state: 'succeeded',
        release: 'shop@1.0.0',
        releaseDigest: context.release.digest,
        keyIds: [pair.keyId],
        statements: statements.map(({ predicateType }) => predicateType),
      },
    });
  }
});

test('a packet with no statement but its root verifies: a promotion may end before its first step', () => {
  const lone = sealPacket(context, { ...facts, state: 'cancelled' }, [], pair);
  expect(verifyPacket(packetText(lone), trustRoot).ok).toBe(true);
});

test('every single changed byte is refused, and one inside a statement names it', () => {
  const bytes = Buffer.from(text);
  const placeOf = new Map<number, string>();
  const mark = (label: string, part: unknown): void => {
    const start = bytes.indexOf(canonicalJson(part));
    const length = Buffer.byteLength(canonicalJson(part));
    for (let at = start; at < start + length; at += 1) placeOf.set(at, label);
  };
  packet.statements.forEach((envelope, index) => mark(`statements[${index}]`, envelope));
  mark('root', packet.root);
  let tried = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    // Each byte gets one of several changes in turn: a flipped bit, a quote, a blank, no UTF-8.
    const original = bytes[at] ?? 0;
    const options = [original ^ 1, original ^ 0x20, 0x22, 0x20, 0xff].filter((b) => b !== original);
    bytes[at] = options[at % options.length] ?? 0;
    const { ok, problems } = verifyPacket(bytes, trustRoot);
    bytes[at] = original;
    const label = placeOf.get(at);
    const named = problems.some(
      ({ statement }) => label === undefined || statement.startsWith(label),
    );
    if (ok || !named) throw new Error(`byte ${at} (${label}): ${JSON.stringify(problems)}`);
    tried += 1;
  }
  expect(tried).toBe(bytes.length);
  // Some thousand verifications; minutes only where the machine does much else.
}, 240_000);

test('a byte put in or taken out anywhere around it is refused, but for one line break at its end', () => {
  expect(verifyPacket(`${text}\n`, trustRoot)).toEqual(verifyPacket(text, trustRoot));
  expect(verifyPacket(Buffer.from(`${text}\n`), trustRoot).ok).toBe(true);
  for (const changed of [
    `${text}\n\n`,
    `${text}\r\n`,
    `${text} `,
    ` ${text}`,
    text.slice(0, -1),
    text.replace(':', ': '),
  ]) {
    expect(verifyPacket(changed, trustRoot).ok).toBe(false);
  }
});

test('another text of the same packet is refused, and no statement of it is called bad', () => {
  const { schema, promotion, statements: list, root } = packet;
  for (const value of [packet, { root, statements: list, promotion, schema }]) {
    const other = JSON.stringify(value, null, 2);
    expect(problemsOf(other)).toEqual(['packet: packet-not-canonical']);
    expect(verifyPacket(other, trustRoot).promotion).toBeNull();
  }
});

test('a statement that was changed is named in another text of the packet too', () => {
  const [scan, decision, deployment] = packet.statements;
  const payload = Buffer.from(decision?.payload ?? '', 'base64');
  payload[payload.indexOf('allow')] = 'b'.charCodeAt(0);
  const changed = { ...decision, payload: payload.toString('base64') };
  const problems = problemsOf(
    JSON.stringify({ ...packet, statements: [scan, changed, deployment] }, null, 2),
  );
  const named = `statements[1] (${PREDICATE_TYPES.decision})`;
  expect(problems).toContain('packet: packet-not-canonical');
  expect(problems).toContain(`${named}: signature-invalid`);
  expect(problems.slice(1).every((problem) => problem.startsWith(named))).toBe(true);
});

test('a member given twice stays refused outright in any text', () => {
  const pretty = JSON.stringify(packet, null, 2);
  const twice = pretty.replace('"promotion":', '"promotion": "dev/2", "promotion":');
  expect(problemsOf(twice)).toEqual(['packet: json-invalid']);
});

test('a packet that was re-signed whole with another key is refused', () => {
  const forged = sealPacket(context, facts, statements, generateKeyPair());
  const problems = verifyPacket(packetText(forged), trustRoot).problems;
  expect(problems).toHaveLength(4);
  expect(problems.every(({ code }) => code === 'key-not-trusted')).toBe(true);
});

test('a key for commands does not sign evidence', () => {
  const root = createTrustRoot([
    { publicKey: pair.publicKey, use: 'command', notBefore: '2026-01-01T00:00:00Z' },
  ]);
  expect(problemsOf(text, root)).toContain('root: key-not-trusted');
});

test('one statement by another key is named', () => {
  const mixed = withStatement(1, generateKeyPair());
  expect(problemsOf(mixed)).toContain(
    `statements[1] (${PREDICATE_TYPES.decision}): signature-invalid`,
  );
});

test('a key must have been valid when the promotion ended', () => {
  const late = rootOf(pair, { notBefore: '2026-11-21T12:00:01Z' });
  const early = rootOf(pair, { notAfter: '2026-11-21T12:00:00Z' });
  expect(problemsOf(text, late)).toContain('root: key-not-valid-then');
  expect(problemsOf(text, early)).toContain('root: key-not-valid-then');
});

test('statements that were taken away, added, repeated or put in another order are named', () => {
  const [scan, decision, deployment] = packet.statements;
  const with_ = (list: unknown[]) => problemsOf({ ...packet, statements: list });
  expect(with_([scan, decision])).toEqual(['root: statement-missing']);
  expect(with_([decision, scan, deployment])).toEqual([
    `statements[0] (${PREDICATE_TYPES.decision}): not-listed`,
    `statements[1] (${PREDICATE_TYPES.scan}): not-listed`,
  ]);
  expect(with_([scan, decision, deployment, scan])).toEqual([
    `statements[3] (${PREDICATE_TYPES.scan}): not-listed`,
  ]);
});

test('a genuine statement of another release or promotion does not fit in', () => {
  const other = {
    ...context,
    release: { ...context.release, digest: `sha256:${'cd'.repeat(32)}` },
  };
  expect(problemsOf(withContext(other))).toEqual([
    `statements[0] (${PREDICATE_TYPES.scan}): subject-differs`,
  ]);
  expect(problemsOf(withContext({ ...context, promotionId: 'dev/2' }))).toEqual([
    `statements[0] (${PREDICATE_TYPES.scan}): promotion-differs`,
  ]);
  expect(problemsOf({ ...packet, promotion: 'dev/2' })).toContain('root: promotion-differs');
});

test('a second promotion statement among the others is refused', () => {
  const root = statementOf(packet.root.payload);
  const twice = sealPacket(context, facts, [root], pair);
  expect(problemsOf(twice)).toEqual([`statements[0] (${PREDICATE_TYPES.promotion}): root-twice`]);
});

test('a root of another type, or of a state that is no end, is refused', () => {
  const root = createStatementEnvelope(statements[0] as Statement, pair);
  expect(problemsOf({ ...packet, root })).toEqual(['root: root-malformed']);
  const running = composeStatement(PREDICATE_TYPES.promotion, context, {
    ...facts,
    state: 'running',
    statements: [],
  });
  const unended = { ...packet, statements: [], root: createStatementEnvelope(running, pair) };
  expect(problemsOf(unended)).toEqual(['root: root-malformed']);
});

test.each([
  ['nothing', undefined, 'packet: packet-malformed'],
  ['null', null, 'packet: packet-malformed'],
  ['rubbish', 'rubbish', 'packet: json-invalid'],
  ['another schema', { ...packet, schema: 'x' }, 'packet: packet-malformed'],
  ['an unknown member', { ...packet, more: 1 }, 'packet: packet-malformed'],
  ['too many statements', { ...packet, statements: Array(2001) }, 'packet: packet-malformed'],
  [
    'statements that are none',
    { ...packet, statements: [null] },
    'statements[0] (urn:sluice:scan:v1): envelope-malformed',
  ],
  ['deep nesting', `${'['.repeat(100)}${']'.repeat(100)}`, 'packet: json-invalid'],
])('%s is no packet, and nothing is thrown', (_, value, problem) => {
  expect(problemsOf(value)).toContain(problem);
});

test('a trust root that is none is a problem of its own', () => {
  expect(problemsOf(text, { ...trustRoot, keys: [] })).toEqual(['packet: trust-root-invalid']);
});

test('a packet cannot be composed with a root that lists other statements', () => {
  const fewer = packet.statements.slice(1);
  expect(() => composePacket('dev/1', fewer, packet.root)).toThrow(
    expect.objectContaining({ code: 'packet-invalid' }),
  );
  expect(() => composePacket('dev/2', packet.statements, packet.root)).toThrow(
    expect.objectContaining({ code: 'packet-invalid' }),
  );
});

function withStatement(index: number, key: KeyPair): EvidencePacket {
  const envelopes = packet.statements.map((envelope, at) =>
    at === index ? createStatementEnvelope(statementOf(envelope.payload), key) : envelope,
  );
  return { ...packet, statements: envelopes };
}

/** Sealed regularly, with a first statement that a careless sealer took from elsewhere. */
function withContext(other: typeof context): EvidencePacket {
  const foreign = composeStatement(PREDICATE_TYPES.scan, other, {});
  return sealPacket(context, facts, [foreign, ...statements.slice(1)], pair);
}

function statementOf(payload: string): Statement {
  return JSON.parse(Buffer.from(payload, 'base64').toString());
}
