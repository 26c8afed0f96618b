/*
 * resolveRelease turns a release request into a release: every component's tag is resolved to a digest once.
 *
 * States: resolving → created or refused. It waits for its activities only, each with a deadline; records are tried for as
 * long as it takes. Cancelling it (by the engine) refuses the request. There is nothing to compensate: blobs that
 * were brought in stand under their digests and harm nobody.
 */

import type { Component, Refusal } from '@sluice/domain';
import { MAX_COMPONENTS } from '@sluice/domain';
import type {
  ComponentRequest,
  ResolveReleaseInput,
  ResolveReleaseResult,
} from '@sluice/temporal-contract';
import { SEARCH_ATTRIBUTES } from '@sluice/temporal-contract';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { CancellationScope, upsertSearchAttributes } from '@temporalio/workflow';
import { RESOLVE_SECONDS, releaseRecords, resolution } from './activity-classes.ts';
import { meaningOfFailure } from './failure-reason.ts';
import { mapBounded } from './map-bounded.ts';

/** Images that are brought in at once. */
const MAX_RESOLVING = 5;

type Resolved =
  | { readonly ok: true; readonly component: Component }
  | ({ readonly ok: false } & Refusal);

const TENANT = defineSearchAttributeKey(SEARCH_ATTRIBUTES.tenant, SearchAttributeType.KEYWORD);

/** Resolves one request to its end; a refusal is a result. */
export async function resolveRelease(input: ResolveReleaseInput): Promise<ResolveReleaseResult> {
  upsertSearchAttributes([{ key: TENANT, value: input.tenantId }]);
  const components = await resolveAll(input);
  return CancellationScope.nonCancellable(async () => {
    if ('code' in components) return refuse(input, components);
    const answer = await orRefusal(
      () => releaseRecords.recordRelease({ request: input, components }),
      `Record of release ${input.name} ${input.version}`,
    );
    return answer.ok
      ? { state: 'created' as const, releaseDigest: answer.releaseDigest }
      : refuse(input, answer);
  });
}

async function resolveAll(input: ResolveReleaseInput): Promise<readonly Component[] | Refusal> {
  const problem = countProblem(input);
  if (problem !== undefined) return problem;
  const answers = await mapBounded(
    input.components,
    MAX_RESOLVING,
    (component) => resolveOne(input.tenantId, component),
    (answer) => !answer.ok,
  );
  const refusal = answers.find((answer) => !answer.ok);
  if (refusal !== undefined) return refusal;
  return answers.flatMap((answer) => (answer.ok ? [answer.component] : []));
}

/** Counted before anything is fetched; the release itself is checked again when it is composed. */
function countProblem({ name, version, components }: ResolveReleaseInput): Refusal | undefined {
  if (components.length === 0) {
    const message = `Release ${name} ${version} has no components; name at least one.`;
    return { code: 'release-without-components', message };
  }
  if (components.length > MAX_COMPONENTS) {
    const message = `Release ${name} ${version} has ${components.length} components; at most ${MAX_COMPONENTS}.`;
    return { code: 'release-too-many-components', message };
  }
  return undefined;
}

function resolveOne(tenantId: string, component: ComponentRequest): Promise<Resolved> {
  return orRefusal(
    () => resolution.resolveComponent({ tenantId, component }),
    `Component ${component.name} (${component.source}:${component.reference})`,
  );
}

/** A failure that no retry mends, a passed deadline and a cancellation all refuse the request. */
async function orRefusal<T>(
  call: () => Promise<T>,
  what: string,
): Promise<T | ({ readonly ok: false } & Refusal)> {
  try {
    return await call();
  } catch (error) {
    const meaning = meaningOfFailure(error, 'resolve', what, RESOLVE_SECONDS);
    if (meaning === undefined) throw error;
    if (meaning.kind !== 'cancelled') return { ok: false, ...meaning.reason };
    const message = `${what}: the request was cancelled. Ask for the release again.`;
    return { ok: false, code: 'release-request-cancelled', message };
  }
}

async function refuse(
  request: ResolveReleaseInput,
  { code, message }: Refusal,
): Promise<ResolveReleaseResult> {
  await releaseRecords.refuseRelease({ request, code, message });
  return { state: 'refused', code, message };
}
