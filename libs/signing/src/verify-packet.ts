import {
  type Envelope,
  isDigest,
  PACKET_SCHEMA,
  PREDICATE_TYPES,
  type PromotionEndState,
  STATEMENT_PAYLOAD_TYPE,
  type TrustRoot,
} from '@sluice/domain';
import { canonicalJson, digestOfBytes } from '@sluice/pure';
import { statementDigest, verifyEnvelope } from './dsse.ts';
import { MAX_PACKET_STATEMENTS, readPromotionPredicate } from './packet.ts';
import { type ReadStatement, readStatement } from './statement.ts';
import {
  hasExactlyKeys,
  isJsonObject,
  parseStrictJson,
  type StrictJsonError,
} from './strict-json.ts';
import { isValidAt, listTrustedKeys, parseInstant, parseTrustRoot } from './trust-root.ts';

/** Largest packet that is read. Bytes. */
export const MAX_PACKET_BYTES = 64 * 1024 * 1024;

/** One thing that is wrong with a packet. */
export interface PacketProblem {
  /** `packet`, `root`, or `statements[2] (urn:sluice:decision:v1)`: what the problem is in. */
  readonly statement: string;
  /** Stable, kebab-case. */
  readonly code: string;
  readonly message: string;
}

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
  /** Ids of the keys that signed, sorted. */
  readonly keyIds: readonly string[];
  /** Digest of the packet's text. */
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
}

/**
 * Verifies a packet offline: strict bounded JSON in its one canonical text, every statement signed by an
 * evidence key of the trust root that was valid when the promotion ended, the root listing exactly the
 * others by digest in order, all of one promotion and one release. Fails closed: what cannot be read is a
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
  const checked = [
    ...packet.statements.map((envelope, index) => {
      return checkEnvelope(`statements[${index}]`, envelope, trustRoot);
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
  }
  checkListing(checked.slice(0, -1), predicate.statements, problems);
  return {
    promotionId: packet.promotion,
    state: predicate.state,
    release: root.releaseName,
    releaseDigest: root.releaseDigest,
    endedAt: predicate.endedAt,
    statements: checked.slice(0, -1).map(({ read: s }) => s?.predicateType ?? 'unknown'),
    keyIds: [...new Set(checked.flatMap(({ keyIds }) => keyIds))].sort(),
    packetDigest: digestOfBytes(text),
  };
}

interface ReadPacket {
  readonly promotion: string;
  readonly statements: readonly unknown[];
  readonly root: unknown;
}

function readPacket(
  source: unknown,
  problems: PacketProblem[],
): { packet: ReadPacket; text: string } | undefined {
  const isText = typeof source === 'string' || ArrayBuffer.isView(source);
  let value: unknown = source;
  if (isText) {
    try {
      value = parseStrictJson(source as string | Uint8Array, {
        maxBytes: MAX_PACKET_BYTES,
        maxDepth: 8,
      });
    } catch (error) {
      const { message, path } = error as StrictJsonError;
      return add(problems, labelOf(path ?? []), 'json-invalid', `${message}.`);
    }
  }
  const malformed = (what: string): undefined => {
    return add(problems, 'packet', 'packet-malformed', `This is no evidence packet: ${what}.`);
  };
  if (
    !isJsonObject(value) ||
    !hasExactlyKeys(value, ['schema', 'promotion', 'statements', 'root'])
  ) {
    return malformed('it must have schema, promotion, statements and root, and nothing else');
  }
  const { schema, promotion, statements, root } = value;
  if (schema !== PACKET_SCHEMA) return malformed(`its schema must be ${PACKET_SCHEMA}`);
  if (typeof promotion !== 'string') return malformed('promotion must be a text');
  if (!Array.isArray(statements) || statements.length > MAX_PACKET_STATEMENTS) {
    return malformed(`statements must be a list of at most ${MAX_PACKET_STATEMENTS}`);
  }
  const text = canonicalJson(value);
  if (isText && text !== textOf(source as string | Uint8Array)) {
    const label = labelOfDifference(textOf(source as string | Uint8Array), text, value);
    const what = 'The text is not as it was sealed (canonical JSON, nothing around it).';
    return add(problems, label, 'packet-not-canonical', `${what} Fetch the packet again.`);
  }
  return { packet: { promotion, statements, root }, text };
}

function checkEnvelope(place: string, envelope: unknown, trustRoot: TrustRoot): CheckedStatement {
  const read = readStatement(payloadOf(envelope));
  const label = place !== 'root' && read.ok ? `${place} (${read.value.predicateType})` : place;
  const verified = verifyEnvelope(envelope, listTrustedKeys(trustRoot, 'evidence'));
  return {
    label,
    envelope,
    read: read.ok ? read.value : undefined,
    keyIds: verified.ok ? verified.value.keyIds : [],
  };
}

/** Signatures first: what nobody trusted signed is not looked into further in the messages. */
function reportSignatures(checked: readonly CheckedStatement[], problems: PacketProblem[]): void {
  const anyTrusted = checked.some(({ keyIds }) => keyIds.length > 0);
  for (const { label, envelope, read, keyIds } of checked) {
    if (keyIds.length === 0) {
      const malformed = verifyEnvelope(envelope, []);
      const code = malformed.ok ? 'key-not-trusted' : malformed.refusal.code;
      if (code !== 'key-not-trusted') {
        add(problems, label, code, malformed.ok ? '' : malformed.refusal.message);
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

function labelOf(path: readonly (string | number)[]): string {
  if (path[0] === 'root') return 'root';
  return path[0] === 'statements' && typeof path[1] === 'number'
    ? `statements[${path[1]}]`
    : 'packet';
}

/** The part of a packet in which a text first differs from the packet's canonical text. */
function labelOfDifference(
  text: string,
  canonical: string,
  packet: Record<string, unknown>,
): string {
  let difference = 0;
  while (text[difference] === canonical[difference]) difference += 1;
  const parts: [string, unknown][] = [['root', packet['root']]];
  for (const [index, statement] of (packet['statements'] as unknown[]).entries()) {
    parts.push([`statements[${index}]`, statement]);
  }
  let from = 0;
  for (const [label, part] of parts) {
    const partText = canonicalJson(part);
    const start = canonical.indexOf(partText, from);
    from = start + partText.length;
    if (difference >= start && difference < from) return label;
  }
  return 'packet';
}

function textOf(source: string | Uint8Array): string {
  if (typeof source === 'string') return source;
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(source);
}

function add(
  problems: PacketProblem[],
  statement: string,
  code: string,
  message: string,
): undefined {
  problems.push({ statement, code, message });
}
