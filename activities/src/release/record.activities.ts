import { composeRelease, isVersion, traceIdOf } from '@sluice/domain';
import {
  insertEvent,
  insertRelease,
  lookNow,
  settleReleaseRequest,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import {
  type ReleaseActivities,
  type ResolveReleaseInput,
  releaseRequestWorkflowId,
} from '@sluice/temporal-contract';
import type { ActivityDependencies } from '../dependencies.ts';
import { runActivity } from '../run-activity.ts';

type RecordParts = Pick<ActivityDependencies, 'pool' | 'logger' | 'scope' | 'observe'>;

/** `recordRelease` and `refuseRelease`: how a release request ends. */
export function createReleaseRecordActivities(
  parts: RecordParts,
): Pick<ReleaseActivities, 'recordRelease' | 'refuseRelease'> {
  return {
    recordRelease: ({ request, components }) =>
      runActivity(parts, 'recordRelease', correlationOf(request), async () => {
        const named = components.map((component) =>
          isVersion(component.version) ? component : { ...component, version: 'unnamed' },
        );
        const release = composeRelease(request.name, request.version, named);
        if (!release.ok) return { ok: false as const, ...release.refusal };
        return withTenant(parts.pool, request.tenantId, async (tx) => {
          const createdBy = request.requestedBy;
          const stored = await insertRelease(tx, { release: release.value, createdBy });
          if (!stored.ok) return { ok: false as const, ...stored.refusal };
          const { releaseDigest, created } = stored.value;
          const settled = await settleReleaseRequest(tx, request.requestId, {
            state: 'created',
            releaseDigest,
          });
          if (settled) {
            const { name, version } = request;
            const data = { name, version, request: request.requestId, isNew: created };
            await recordEnd(tx, request, 'release.created', `release:${releaseDigest}`, data);
          }
          return { ok: true as const, releaseDigest };
        });
      }),

    refuseRelease: ({ request, code, message }) =>
      runActivity(parts, 'refuseRelease', correlationOf(request), () =>
        withTenant(parts.pool, request.tenantId, async (tx) => {
          const outcome = { state: 'refused' as const, code, message };
          if (!(await settleReleaseRequest(tx, request.requestId, outcome))) return;
          const { name, version } = request;
          const subject = `release-request:${request.requestId}`;
          await recordEnd(tx, request, 'release.refused', subject, { name, version, code });
        }),
      ),
  };
}

function correlationOf({ tenantId, requestId, traceparent }: ResolveReleaseInput) {
  return { tenantId, requestId, traceparent };
}

async function recordEnd(
  tx: Tx,
  request: ResolveReleaseInput,
  type: 'release.created' | 'release.refused',
  subject: string,
  data: Readonly<Record<string, unknown>>,
): Promise<void> {
  await insertEvent(tx, {
    type,
    actor: `workflow:${releaseRequestWorkflowId(tx.tenantId, request.requestId)}`,
    subject,
    data,
    traceId: traceIdOf(request.traceparent) ?? null,
  });
  // Its workflow closes next, and its history is archived then.
  await lookNow(tx, releaseRequestWorkflowId(tx.tenantId, request.requestId));
}
