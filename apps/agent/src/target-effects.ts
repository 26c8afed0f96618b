import { type CommandPayload, PAYLOAD_SCHEMA } from '@sluice/domain';
import type { Activation, TargetDriver } from '@sluice/target-drivers';
import type { CommandEffects } from './command-effects.ts';
import { fetchActivation } from './command-fetch.ts';
import type { AdmittedCommand } from './command-store.ts';
import type { ContentStore } from './content-store.ts';
import { findStaleness } from './expected-state.ts';

/** Puts releases on a target by its driver. */
export function createTargetEffects(parts: {
  readonly target: string;
  readonly driver: TargetDriver;
  readonly content: ContentStore;
  readonly now: () => Date;
}): CommandEffects {
  const { target, driver, content, now } = parts;
  return {
    kinds: ['deploy', 'revert'],
    otherKind: {
      code: 'command-not-for-target',
      message:
        'It says where requests go, and this agent is no router: set SLUICE_AGENT_ROUTER where it shall be one.',
    },
    isLastDecisive: false,
    findUnfit: async (admitted) => findStaleness(payloadOf(admitted), await driver.findActive()),
    fetch: (admitted, log, signal) => {
      const expiresAt = Date.parse(admitted.command.expiresAt);
      const activation = activationOf(admitted, target);
      return fetchActivation(activation, { driver, content, log, expiresAt, now }, signal);
    },
    activate: async ({ commandDigest }) => {
      await driver.activate(commandDigest);
      return undefined;
    },
    confirm: ({ commandDigest }, signal) => driver.confirm(commandDigest, signal),
    revert: ({ commandDigest }, signal) => driver.revert(commandDigest, signal),
    findActiveRelease: async () => (await driver.findActive())?.releaseDigest ?? null,
    resume: () => driver.resume(),
    clear: () => content.clear(),
  };
}

function activationOf(admitted: AdmittedCommand, target: string): Activation {
  const { command, commandDigest } = admitted;
  const { environment, health, desired } = payloadOf(admitted);
  return {
    id: commandDigest,
    kind: command.kind,
    target,
    environment,
    promotionId: command.promotionId,
    planDigest: command.planDigest,
    health,
    desired,
  };
}

/** Commands of other kinds never come here: they were refused. */
function payloadOf({ payload, command }: AdmittedCommand): CommandPayload {
  if (payload.schema === PAYLOAD_SCHEMA) return payload;
  throw new Error(`Command ${command.sequence} was accepted with the payload ${payload.schema}.`);
}
