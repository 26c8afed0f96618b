import {
  type Envelope,
  isDigest,
  PREDICATE_TYPES,
  type PromotionEndState,
  type Refusal,
  STATEMENT_PAYLOAD_TYPE,
  type TrustRoot,
} from '@sluice/domain';
import { digestOfBytes } from '@sluice/pure';
import { findAnalysisProblem, readAnalysisPredicate } from './analysis-statement.ts';
import type { ApprovalPredicate } from './approval-predicate.ts';
import { checkApprovals, listApprovals } from './check-approvals.ts';
import { statementDigest, verifyEnvelope } from './dsse.ts';
import { readPromotionPredicate } from './packet.ts';
import { add, type PacketProblem, readPacket } from './read-packet.ts';
import { type ReadStatement, readStatement } from './statement.ts';
import { isJsonObject } from './strict-json.ts';
import { isValidAt, listTrustedKeys, parseInstant, parseTrustRoot } from './trust-root.ts';

/** What a verified packet says in short. */
export interface PromotionSummary {
  /** `<environment>/<number>`. */
  readonly promotionId: string;
  readonly state: PromotionEndState;
  /** `<name>@<version>`. */
  readonly release: string;
  readonly releaseDigest: string;
  /** RFC 3339. */
  readonly endedAt: string;
  /** Predicate types of its statements, in order, without the root. */
  readonly statements: readonly string[];
  /** What people said, in the packet's order. */
  readonly approvals: readonly ApprovalPredicate[];
  /** Ids of the keys that signed, sorted. */
  readonly keyIds: readonly string[];
  /** Digest of the packet's canonical text, without a line break after it. */
  readonly packetDigest: string;
}

/** Outcome of {@link verifyPacket}; `promotion` is there exactly when it is ok. */
export type PacketVerification =
  | { readonly ok: true; readonly problems: readonly []; readonly promotion: PromotionSummary }
  | { readonly ok: false; readonly problems: readonly PacketProblem[]; readonly promotion: null };

interface CheckedStatement {
  readonly label: string;
  readonly envelope: unknown;
  readonly read: ReadStatement | undefined;
  readonly keyIds: readonly string[];
  /** Why no trusted key vouches for it; undefined when one does. */
  readonly refusal: Refusal | undefined;
}

/**
 * Verifies a packet offline: strict bounded JSON in its one canonical text (a line break may follow), every
 * statement signed by an evidence key of the trust root that was valid when the promotion ended, the root listing exactly the
 * others by digest in order, all of one promotion and one release, analyses whose samples, judged again, come to what they say, and a
 * success with the approval that its rules ask for. Fails closed: what cannot be read is a
 * problem, never a throw.
 * @param packet the file's bytes or text, or the parsed packet (then only its text form is not checked)
 */
export function verifyPacket(packet: unknown, trustRoot: TrustRoot): PacketVerification {
  const problems: PacketProblem[] = [];
  try {
    const summary = verify(packet, parseTrustRoot(trustRoot), problems);
    if (problems.length === 0 && summary !== undefined) {
      return { ok: true, problems: [], promotion: summary };
    }
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: unknown };
    problems.push({
      statement: 'packet',
      code: typeof code === 'string' ? code : 'packet-unreadable',
      message: String(message),
    });
  }
  return { ok: false, problems, promotion: null };
}

function verify(
  source: unknown,
  trustRoot: TrustRoot,
  problems: PacketProblem[],
): PromotionSummary | undefined {
  const read = readPacket(source, problems);
  if (read === undefined) return undefined;
  const { packet, text } = read;
  const rootStatement = readStatement(payloadOf(packet.root));
  const listed = rootStatement.ok
    ? readPromotionPredicate(rootStatement.value.statement)?.statements
    : undefined;
  const checked = [
    ...packet.statements.map((envelope, index) => {
      return checkEnvelope(
        `statements[${index}]`,
        envelope,
        trustRoot,
        listed?.[index]?.predicateType,
      );
    }),
    checkEnvelope('root', packet.root, trustRoot),
  ];
  reportSignatures(checked, problems);
  const root = checked.at(-1)?.read;
  const predicate = root && readPromotionPredicate(root.statement);
  if (root === undefined || predicate === undefined) {
    if (root !== undefined) {
      add(
        problems,
        'root',
        'root-malformed',
        'The root is no promotion statement of an ended run.',
      );
    }
    return undefined;
  }
  checkTimes(checked, trustRoot, parseInstant(predicate.endedAt) ?? Number.NaN, problems);
  for (const { label, read: statement } of checked) {
    if (statement === undefined) continue;
    if (statement.promotionId !== packet.promotion) {
      const what = `It is of promotion ${statement.promotionId}, the packet of ${packet.promotion}.`;
      add(problems, label, 'promotion-differs', what);
    }
    if (
      statement.releaseDigest !== root.releaseDigest ||
      statement.releaseName !== root.releaseName
    ) {
      const what = `It is about ${statement.releaseName} (${statement.releaseDigest}), not about`;
      add(problems, label, 'subject-differs', `${what} the root's ${root.releaseName}.`);
    }
    const analysis = readAnalysisPredicate(statement.statement);
    const misjudged = analysis && findAnalysisProblem(analysis.document);
    if (misjudged !== undefined) add(problems, label, 'analysis-differs', misjudged);
  }
  const others = checked.slice(0, -1);
  checkListing(others, predicate.statements, problems);
  const approvals = listApprovals(others.map(({ read: other }) => other?.statement));
  const hasDeployments = others.some(
    ({ read: other }) => other?.predicateType === PREDICATE_TYPES.deployment,
  );
  checkApprovals(root.statement, approvals, hasDeployments, problems);
  return {
    promotionId: packet.promotion,
    state: predicate.state,
    release: root.releaseName,
    releaseDigest: root.releaseDigest,
    endedAt: predicate.endedAt,
    statements: others.map(({ read: s }) => s?.predicateType ?? 'unknown'),
    approvals,
    keyIds: [...new Set(checked.flatMap(({ keyIds }) => keyIds))].sort(),
    packetDigest: digestOfBytes(text),
  };
}

/** @param listedType what the root calls it: names a statement that cannot be read any more */
function checkEnvelope(
  place: string,
  envelope: unknown,
  trustRoot: TrustRoot,
  listedType?: string,
): CheckedStatement {
  const read = readStatement(payloadOf(envelope));
  const type = read.ok ? read.value.predicateType : listedType;
  const label = place !== 'root' && type !== undefined ? `${place} (${type})` : place;
  const verified = verifyEnvelope(envelope, listTrustedKeys(trustRoot, 'evidence'));
  return {
    label,
    envelope,
    read: read.ok ? read.value : undefined,
    keyIds: verified.ok ? verified.value.keyIds : [],
    refusal: verified.ok ? undefined : verified.refusal,
  };
}

/** Signatures first: what nobody trusted signed is not looked into further in the messages. */
function reportSignatures(checked: readonly CheckedStatement[], problems: PacketProblem[]): void {
  const anyTrusted = checked.some(({ keyIds }) => keyIds.length > 0);
  for (const { label, envelope, read, refusal } of checked) {
    if (refusal !== undefined) {
      if (refusal.code !== 'key-not-trusted') {
        add(problems, label, refusal.code, refusal.message);
      } else if (anyTrusted) {
        const what = 'Its content or signature was changed, or another key signed it:';
        add(problems, label, 'signature-invalid', `${what} no evidence key made this signature.`);
      } else {
        const what = 'It is signed by a key that the trust root does not have for evidence.';
        add(problems, label, 'key-not-trusted', `${what} Check where packet and root come from.`);
      }
    } else if (read === undefined) {
      const outcome = readStatement(payloadOf(envelope));
      const message = outcome.ok ? '' : outcome.refusal.message;
      add(problems, label, 'statement-malformed', message);
    } else if ((envelope as Envelope).payloadType !== STATEMENT_PAYLOAD_TYPE) {
      const what = `Its payload type must be ${STATEMENT_PAYLOAD_TYPE}.`;
      add(problems, label, 'statement-malformed', what);
    } else if (label !== 'root' && read.predicateType === PREDICATE_TYPES.promotion) {
      add(problems, label, 'root-twice', 'Only the root may be a promotion statement.');
    }
  }
}

function checkTimes(
  checked: readonly CheckedStatement[],
  trustRoot: TrustRoot,
  endedAt: number,
  problems: PacketProblem[],
): void {
  for (const { label, keyIds } of checked) {
    for (const keyId of keyIds) {
      const keys = listTrustedKeys(trustRoot, 'evidence').filter(({ id }) => id === keyId);
      if (keys.some((key) => isValidAt(key, endedAt))) continue;
      const what = `Key ${keyId} was not valid when the promotion ended.`;
      add(problems, label, 'key-not-valid-then', what);
    }
  }
}

function checkListing(
  statements: readonly CheckedStatement[],
  listed: readonly { readonly predicateType: string; readonly digest: string }[],
  problems: PacketProblem[],
): void {
  for (const [index, { label, envelope, read }] of statements.entries()) {
    const entry = listed[index];
    const payload = (envelope as { payload?: unknown } | null)?.payload;
    const digest = typeof payload === 'string' ? statementDigest({ payload }) : '';
    if (
      entry === undefined ||
      !isDigest(entry.digest) ||
      entry.digest !== digest ||
      entry.predicateType !== read?.predicateType
    ) {
      const what = 'The root does not list this statement at this place.';
      add(problems, label, 'not-listed', what);
    }
  }
  if (listed.length > statements.length) {
    const missing = listed.slice(statements.length).map(({ digest }) => digest);
    const what = `The root lists ${missing.length} more: ${missing.slice(0, 3).join(', ')}.`;
    add(problems, 'root', 'statement-missing', `A statement was taken away. ${what}`);
  }
}

function payloadOf(envelope: unknown): Uint8Array {
  const payload = isJsonObject(envelope) ? envelope['payload'] : undefined;
  return new Uint8Array(Buffer.from(typeof payload === 'string' ? payload : '', 'base64'));
}
