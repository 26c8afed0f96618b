import type { CommandPayload } from '@sluice/domain';
import type { ActiveRelease } from '@sluice/target-drivers';
import type { Failure } from './failure.ts';

/**
 * Holds what the plan found on this target against what is active now. A command that expects nothing of it
 * replaces whatever is there.
 * @returns why the plan is stale; undefined when it is not
 */
export function findStaleness(
  { expects }: Pick<CommandPayload, 'expects'>,
  active: ActiveRelease | undefined,
): Failure | undefined {
  if (expects === undefined) return undefined;
  const planned = describe(expects?.release, expects?.settingsDigest);
  const found = describe(active?.releaseDigest, active?.settingsDigest);
  if (planned === found) return undefined;
  return {
    code: 'plan-stale',
    message: `The plan was made for a target with ${planned}, but ${found} is active: plan again.`,
  };
}

function describe(release: string | undefined, settingsDigest: string | undefined): string {
  return release === undefined ? 'nothing' : `release ${release} (settings ${settingsDigest})`;
}
