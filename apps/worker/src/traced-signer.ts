import { withSpan } from '@sluice/observability';
import type { SignerClient } from '@sluice/signing';

/** The signer, with a span for each call inside the activity's that asks. */
export function traceSigner(signer: SignerClient): SignerClient {
  return {
    ...signer,
    signCommand: (request) => {
      const { tenantId, promotionId, target, kind, sequence } = request;
      const facts = { tenantId, promotionId, target, kind, sequence };
      return withSpan('sign command', undefined, facts, () => signer.signCommand(request));
    },
    signStatement: (request) => {
      const { tenantId, promotionId } = request;
      return withSpan('sign statement', undefined, { tenantId, promotionId }, () =>
        signer.signStatement(request),
      );
    },
    signHistory: (request) => {
      const { tenantId } = request;
      return withSpan('sign history', undefined, { tenantId }, () => signer.signHistory(request));
    },
  };
}
