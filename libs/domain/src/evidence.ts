/** The in-toto statement type that Sluice writes. */
export const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';

/** The DSSE payload type of an in-toto statement. */
export const STATEMENT_PAYLOAD_TYPE = 'application/vnd.in-toto+json';

/** Predicate types of our own. */
export const PREDICATE_TYPES = {
  scan: 'urn:sluice:scan:v1',
  decision: 'urn:sluice:decision:v1',
  approval: 'urn:sluice:approval:v1',
  deployment: 'urn:sluice:deployment:v1',
  analysis: 'urn:sluice:analysis:v1',
  promotion: 'urn:sluice:promotion:v1',
  history: 'urn:sluice:history:v1',
} as const;

/** One of {@link PREDICATE_TYPES}. */
export type PredicateType = (typeof PREDICATE_TYPES)[keyof typeof PREDICATE_TYPES];

/** What a statement is about. `digest.sha256` is bare hexadecimal, as in-toto has it. */
export interface StatementSubject {
  readonly name: string;
  readonly digest: { readonly sha256: string };
}

/** An in-toto Statement v1. */
export interface Statement {
  readonly _type: typeof STATEMENT_TYPE;
  readonly subject: readonly StatementSubject[];
  readonly predicateType: string;
  readonly predicate: Readonly<Record<string, unknown>>;
}

/** A DSSE envelope; `payload` and `sig` in standard base64. Signatures carry no keyid hint when made by Sluice. */
export interface Envelope {
  readonly payloadType: string;
  readonly payload: string;
  readonly signatures: readonly { readonly sig: string; readonly keyid?: string }[];
}

/** The schema tag of an evidence packet. */
export const PACKET_SCHEMA = 'sluice.packet/v1';

/** All evidence of one promotion in one self-contained file. */
export interface EvidencePacket {
  readonly schema: typeof PACKET_SCHEMA;
  readonly promotion: string;
  /** Every statement but the promotion's own, in the order in which {@link root} lists them. */
  readonly statements: readonly Envelope[];
  /** The promotion statement: its predicate lists the others by digest. */
  readonly root: Envelope;
}

/** The schema tag of a trust root. */
export const TRUST_ROOT_SCHEMA = 'sluice.trust-root/v1';

/** What a key may sign. */
export type KeyUse = 'evidence' | 'command';

/** Public keys that a verifier is given apart from what it verifies. */
export interface TrustRoot {
  readonly schema: typeof TRUST_ROOT_SCHEMA;
  readonly keys: readonly {
    /** `sha256:…` of the public key's SPKI DER bytes. */
    readonly id: string;
    readonly algorithm: 'ed25519';
    /** SPKI PEM. */
    readonly publicKey: string;
    /** RFC 3339. */
    readonly notBefore: string;
    /** RFC 3339, or null for an open end. */
    readonly notAfter: string | null;
    readonly use: KeyUse;
  }[];
}
