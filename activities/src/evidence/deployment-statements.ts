import { PREDICATE_TYPES } from '@sluice/domain';
import type { EvidenceStore } from '@sluice/evidence-store';
import type { SignerClient, StatementContext } from '@sluice/signing';
import type { DeploymentFacts } from './promotion-facts.ts';
import { type SignedStatement, signStatement } from './statement-signing.ts';
import { putDocument, type StoredBlob } from './stored-document.ts';

/** Media type of what was sent to many targets and what their agents said. */
export const DEPLOYMENTS_MEDIA_TYPE = 'application/vnd.sluice.deployments+json';

/** Deployments of which each has a statement of its own; of more, so many share one, and a packet stays readable. */
export const MAX_SINGLE_DEPLOYMENTS = 500;

/** Statements that are asked for at a time. */
const SIGNED_AT_ONCE = 8;

/** Signed statements of deployments, each with its target where it is of one. */
export interface DeploymentStatements {
  readonly signed: readonly { readonly target?: string; readonly signed: SignedStatement }[];
  /** Commands and reports of deployments that share a statement, which names them by digest. */
  readonly documents: readonly StoredBlob[];
}

/**
 * Has what became of every target signed. Up to {@link MAX_SINGLE_DEPLOYMENTS} targets have a statement each, with its command and its agent's reports;
 * of more, a statement names some hundred targets with plan and state, and by digest the document that holds their commands and reports.
 */
export async function signDeployments(
  parts: { readonly signer: SignerClient; readonly evidence: EvidenceStore },
  tenantId: string,
  context: StatementContext,
  facts: readonly DeploymentFacts[],
): Promise<DeploymentStatements> {
  const { signer, evidence } = parts;
  const deployments = facts.map(({ desired: _desired, ...deployment }) => deployment);
  const sign = (predicate: Readonly<Record<string, unknown>>): Promise<SignedStatement> =>
    signStatement(signer, tenantId, context, PREDICATE_TYPES.deployment, predicate);
  const signed: { target?: string; signed: SignedStatement }[] = [];
  const documents: StoredBlob[] = [];
  if (deployments.length <= MAX_SINGLE_DEPLOYMENTS) {
    for (const some of inGroups(deployments, SIGNED_AT_ONCE)) {
      const answers = await Promise.all(some.map(sign));
      for (const [index, answer] of answers.entries()) {
        const target = some[index]?.target;
        signed.push({ ...(target === undefined ? {} : { target }), signed: answer });
      }
    }
    return { signed, documents };
  }
  for (const some of inGroups(deployments, MAX_SINGLE_DEPLOYMENTS)) {
    const document = await putDocument(
      evidence,
      { schema: 'sluice.deployments/v1', deployments: some },
      DEPLOYMENTS_MEDIA_TYPE,
    );
    documents.push(document);
    const targets = some.map(({ target, planDigest, state }) => ({ target, planDigest, state }));
    signed.push({ signed: await sign({ targets, document: document.digest }) });
  }
  return { signed, documents };
}

function inGroups<T>(all: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, index) =>
    all.slice(index * size, (index + 1) * size),
  );
}
