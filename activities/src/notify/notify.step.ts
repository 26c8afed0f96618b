import { withHeartbeats } from '../activity-scope.ts';
import type { ActivityDependencies } from '../dependencies.ts';
import { isOutboundError } from '../outbound/outbound-error.ts';
import { serviceKey } from '../outbound/service-key.ts';
import { isSecretError } from '../secrets/secret-source.ts';
import {
  failedResult,
  type StepOutcome,
  type StepRun,
  type StepType,
  succeededResult,
} from '../step/step-type.ts';
import { type DeliverParts, type Delivery, deliver } from './deliver.ts';
import type { NotifyChannel } from './notify-channels.ts';

type NotifyParts = DeliverParts & Pick<ActivityDependencies, 'channels'>;

/** `notify@1`: tells people through a channel. Reason codes: `channel-unknown`, `notify-undelivered`, and those of secrets. */
export function createNotifyStep(parts: NotifyParts): StepType {
  return {
    type: 'notify',
    version: 1,
    marksEffect: true,
    run: (run) => withHeartbeats(run.scope, 'notify', () => notify(parts, run)),
  };
}

async function notify(parts: NotifyParts, run: StepRun): Promise<StepOutcome> {
  const { channel: name, message } = run.inputs as { readonly channel: string; message: string };
  const { tenantId } = run.input.promotion;
  const channel = parts.channels?.find(tenantId, name);
  if (channel === undefined) {
    return { result: failedResult('channel-unknown', unknownChannel(parts, tenantId, name)) };
  }
  // Before it: of one that is cancelled, or whose worker dies, this is all there will be.
  run.output.write(`> ${name} (${channel.kind}), attempt ${run.scope.attempt}\n`);
  const delivery = await attempt(parts, run, channel, message);
  if ('code' in delivery) return { result: failedResult(delivery.code, delivery.message) };
  const outcome = 'told' in delivery ? delivery.told : delivery.refused;
  run.output.write(`< ${outcome}\n`);
  if ('told' in delivery) return { result: succeededResult({}, {}) };
  return {
    result: failedResult(
      'notify-undelivered',
      `Channel ${name} did not take the message: ${outcome}. Look at where it leads in the worker's channels.`,
    ),
  };
}

async function attempt(
  parts: NotifyParts,
  run: StepRun,
  channel: NotifyChannel,
  text: string,
): Promise<Delivery | { readonly code: string; readonly message: string }> {
  const { promotionId: promotion, environment, releaseDigest: release } = run.promotion;
  await run.beginEffect?.();
  try {
    return await deliver(parts, run, channel, {
      text,
      promotion,
      environment,
      release,
      step: run.input.stepId,
      idempotencyKey: serviceKey(run),
    });
  } catch (error) {
    run.scope.cancellation.throwIfAborted();
    if (isSecretError(error)) return { code: error.code, message: error.message };
    if (!isOutboundError(error)) throw error;
    return { refused: error.message };
  }
}

function unknownChannel({ channels }: NotifyParts, tenantId: string, name: string): string {
  if (channels === undefined) {
    return `There is no channel ${name}: this worker has none. Name them in a file and set SLUICE_NOTIFY_CHANNELS.`;
  }
  const known = channels.list(tenantId).slice(0, 20);
  return (
    `There is no channel ${name}` +
    `${known.length === 0 ? '; this tenant has none' : `, but ${known.join(', ')}`}. ` +
    "Add it to the file of the worker's channels, or name another one."
  );
}
