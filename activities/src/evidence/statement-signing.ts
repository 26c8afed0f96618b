import type { Envelope, PredicateType } from '@sluice/domain';
import { insertStatement, type ReleaseRecord, type Tx } from '@sluice/persistence';
import {
  composeStatement,
  type SignerClient,
  type StatementContext,
  statementDigest,
} from '@sluice/signing';

/** What a statement's envelope is stored with. */
export interface SignedStatement {
  readonly digest: string;
  readonly predicateType: PredicateType;
  readonly envelope: Envelope;
}

/** What every statement of a promotion names: the promotion and the release as its one subject. */
export function statementContext(promotionId: string, release: ReleaseRecord): StatementContext {
  return {
    promotionId,
    release: { name: release.name, version: release.version, digest: release.releaseDigest },
  };
}

/** Has the signer sign a statement. The same facts give the same bytes. */
export async function signStatement(
  signer: SignerClient,
  tenantId: string,
  context: StatementContext,
  predicateType: PredicateType,
  predicate: Readonly<Record<string, unknown>>,
): Promise<SignedStatement> {
  const statement = composeStatement(predicateType, context, predicate);
  const { promotionId } = context;
  const { envelope } = await signer.signStatement({ tenantId, promotionId, statement });
  return { digest: statementDigest(envelope), predicateType, envelope };
}

/** Stores a signed statement with what it belongs to. */
export async function recordStatement(
  tx: Tx,
  promotionId: string,
  signed: SignedStatement,
  place: { readonly stepId?: string; readonly target?: string } = {},
): Promise<void> {
  await insertStatement(tx, {
    statementDigest: signed.digest,
    promotionId,
    stepId: place.stepId ?? null,
    target: place.target ?? null,
    predicateType: signed.predicateType,
    envelope: signed.envelope,
  });
}
