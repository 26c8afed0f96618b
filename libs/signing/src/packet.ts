import {
  type Envelope,
  type EvidencePacket,
  isPromotionEnd,
  PACKET_SCHEMA,
  PREDICATE_TYPES,
  PROMOTION_STATES,
  type PromotionEndState,
  type Statement,
} from '@sluice/domain';
import { canonicalJson } from '@sluice/pure';
import { createStatementEnvelope, statementDigest } from './dsse.ts';
import type { KeyPair } from './key-pair.ts';
import { SigningError } from './signing-error.ts';
import { composeStatement, readStatement, type StatementContext } from './statement.ts';
import { isJsonObject } from './strict-json.ts';
import { parseInstant } from './trust-root.ts';

/** More statements than this in one packet are refused. */
export const MAX_PACKET_STATEMENTS = 2000;

/** One line of the promotion statement's list. */
export interface StatementReference {
  readonly predicateType: string;
  /** {@link statementDigest} of the envelope. */
  readonly digest: string;
}

/** Predicate of the promotion statement, `urn:sluice:promotion:v1`, without its `promotionId`. */
export interface PromotionFacts {
  readonly state: PromotionEndState;
  /** Null when it succeeded. */
  readonly reason: { readonly code: string; readonly message: string } | null;
  /** RFC 3339; the moment at which the packet's keys must have been valid. */
  readonly endedAt: string;
  /** What else a reader may want: environment, kind, requestedBy, startedAt, rules. */
  readonly [fact: string]: unknown;
}

/** The promotion predicate as it is read back. */
export interface PromotionPredicate {
  readonly state: PromotionEndState;
  readonly endedAt: string;
  readonly statements: readonly StatementReference[];
}

/** Lists envelopes in their order, as the promotion statement does. */
export function listStatementReferences(
  statements: readonly Envelope[],
): readonly StatementReference[] {
  return statements.map((envelope) => {
    const read = readStatement(new Uint8Array(Buffer.from(envelope.payload, 'base64')));
    if (!read.ok) throw new SigningError('packet-invalid', read.refusal.message);
    return { predicateType: read.value.predicateType, digest: statementDigest(envelope) };
  });
}

/**
 * The promotion statement that lists the other statements by digest, in their order. Sign it with the
 * evidence key, then {@link composePacket}.
 * @throws SigningError `packet-invalid` when an envelope holds no statement of ours
 */
export function composePromotionStatement(
  context: StatementContext,
  facts: PromotionFacts,
  statements: readonly Envelope[],
): Statement {
  return composeStatement(PREDICATE_TYPES.promotion, context, {
    ...facts,
    statements: listStatementReferences(statements),
  });
}

/**
 * Puts a packet together. The packet's file is {@link packetText} of it, byte for byte.
 * @throws SigningError `packet-invalid` when the root does not list exactly these statements
 */
export function composePacket(
  promotionId: string,
  statements: readonly Envelope[],
  root: Envelope,
): EvidencePacket {
  if (statements.length > MAX_PACKET_STATEMENTS) {
    throw new SigningError('packet-invalid', `More than ${MAX_PACKET_STATEMENTS} statements.`);
  }
  const read = readStatement(new Uint8Array(Buffer.from(root.payload, 'base64')));
  const predicate = read.ok ? readPromotionPredicate(read.value.statement) : undefined;
  if (!read.ok || predicate === undefined || read.value.promotionId !== promotionId) {
    throw new SigningError(
      'packet-invalid',
      `The root is no promotion statement of ${promotionId}.`,
    );
  }
  if (canonicalJson(predicate.statements) !== canonicalJson(listStatementReferences(statements))) {
    throw new SigningError('packet-invalid', `The root of ${promotionId} lists other statements.`);
  }
  return { schema: PACKET_SCHEMA, promotion: promotionId, statements, root };
}

/** The one text that a packet has: its RFC 8785 form. Its digest is the packet's digest. */
export function packetText(packet: EvidencePacket): string {
  return canonicalJson(packet);
}

/** Signs statements and seals them in one go; for tools and tests that hold the key themselves. */
export function sealPacket(
  context: StatementContext,
  facts: PromotionFacts,
  statements: readonly Statement[],
  keyPair: KeyPair,
): EvidencePacket {
  const envelopes = statements.map((statement) => createStatementEnvelope(statement, keyPair));
  const root = composePromotionStatement(context, facts, envelopes);
  return composePacket(context.promotionId, envelopes, createStatementEnvelope(root, keyPair));
}

/** The promotion predicate of a statement, or undefined when it is of another type or malformed. */
export function readPromotionPredicate(statement: Statement): PromotionPredicate | undefined {
  if (statement.predicateType !== PREDICATE_TYPES.promotion) return undefined;
  const { state, endedAt, statements } = statement.predicate;
  const end = PROMOTION_STATES.find((known) => known === state);
  if (end === undefined || !isPromotionEnd(end) || parseInstant(endedAt) === undefined) {
    return undefined;
  }
  if (!Array.isArray(statements) || statements.length > MAX_PACKET_STATEMENTS) return undefined;
  const references = statements.filter(isReference);
  if (references.length !== statements.length) return undefined;
  return { state: end, endedAt: endedAt as string, statements: references };
}

function isReference(value: unknown): value is StatementReference {
  return (
    isJsonObject(value) &&
    Object.keys(value).length === 2 &&
    typeof value['digest'] === 'string' &&
    typeof value['predicateType'] === 'string'
  );
}
