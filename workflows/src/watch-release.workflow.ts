/*
 * watchRelease watches the release of a promotion that succeeded, for the time that its environment says.
 *
 * States: watching → held, alarmed, superseded or failed. It waits for its activities only: one that looks, shift after shift, and one that
 * ends the watch in the records. Looking has a deadline a little after the end of the watch; the end is recorded for as long as it takes.
 * Cancelling it (by the engine) ends the watch as failed. There is nothing to compensate: what an alarm opens is a promotion of its own.
 * A history that grows long continues as new between two shifts; all that is known stands in the records, so that a run that was ended is
 * begun again by the watchdog, with the code of then.
 */

import type { WatchEnd, WatchReleaseInput, WatchResult } from '@sluice/temporal-contract';
import { SEARCH_ATTRIBUTES } from '@sluice/temporal-contract';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import {
  CancellationScope,
  continueAsNew,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { closingWatch, watchingWithin } from './activity-classes.ts';
import { meaningOfFailure } from './failure-reason.ts';

/** After the watch is over its last look may still come, and a worker that was away. */
const GRACE_SECONDS = 3600;

const TENANT = defineSearchAttributeKey(SEARCH_ATTRIBUTES.tenant, SearchAttributeType.KEYWORD);
const ENVIRONMENT = defineSearchAttributeKey(
  SEARCH_ATTRIBUTES.environment,
  SearchAttributeType.KEYWORD,
);

/** Watches one release to its end. */
export async function watchRelease(input: WatchReleaseInput): Promise<WatchResult> {
  upsertSearchAttributes([
    { key: TENANT, value: input.promotion.tenantId },
    { key: ENVIRONMENT, value: input.environment },
  ]);
  for (;;) {
    const end = await look(input);
    if (end.kind !== 'again') {
      const result = await CancellationScope.nonCancellable(() =>
        closingWatch.closeWatch({ ...input, end }),
      );
      if (result.state !== 'watching') return result;
    }
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof watchRelease>(input);
  }
}

/** A failure that no retry mends, a passed deadline and a cancellation all end the watch. */
async function look(input: WatchReleaseInput): Promise<WatchEnd> {
  const left = (Date.parse(input.until) - Date.now()) / 1000;
  const seconds = Math.max(1, Math.ceil(left) + GRACE_SECONDS);
  const what = `Watch over ${input.promotion.promotionId}`;
  try {
    return await watchingWithin(seconds).lookAtRelease(input);
  } catch (error) {
    const meaning = meaningOfFailure(error, 'watch', what, seconds);
    if (meaning === undefined) throw error;
    if (meaning.kind !== 'cancelled') return { kind: 'failed', reason: meaning.reason };
    const message = `${what} was cancelled in the engine; look at the release by hand.`;
    return { kind: 'failed', reason: { code: 'watch-cancelled', message } };
  }
}
