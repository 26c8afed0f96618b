import { openCommand, openReport } from '@sluice/agent-protocol';
import type { TrustRoot } from '@sluice/domain';
import type { PromotionRecord, TargetOutcomeRecord } from '@sluice/persistence';

/**
 * True when a target runs a promotion's release by signatures alone: the newest command of the promotion to it is a deployment that was signed here, and
 * the final report about it, signed with the key of the target's agent, says that it is confirmed and that this release is active.
 */
export function isConfirmedHere(
  { promotionId, releaseDigest }: Pick<PromotionRecord, 'promotionId' | 'releaseDigest'>,
  { target, envelope, report, publicKey }: TargetOutcomeRecord,
  tenantId: string,
  trustRoot: TrustRoot,
): boolean {
  if (report === null || publicKey === null) return false;
  const opened = openCommand(envelope, trustRoot);
  const said = openReport(report, publicKey);
  if (!opened.ok || !said.ok) return false;
  const { command, commandDigest } = opened.value;
  return (
    command.kind === 'deploy' &&
    command.tenantId === tenantId &&
    command.promotionId === promotionId &&
    command.target === target &&
    command.releaseDigest === releaseDigest &&
    said.value.tenantId === tenantId &&
    said.value.target === target &&
    said.value.commandDigest === commandDigest &&
    said.value.stage === 'confirmed' &&
    said.value.activeRelease === releaseDigest
  );
}
