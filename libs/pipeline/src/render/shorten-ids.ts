import { digestOfBytes } from '@sluice/pure';
import { type DraftStep, needsOf } from './draft.ts';
import { rewireStep } from './rewire.ts';

/** Of a DNS label. */
const MAX_ID_LENGTH = 63;

/** Hex digits of the digest behind a cut id. */
const DIGEST_LENGTH = 10;

/** Cuts the ids that are too long for a DNS label, and changes every reference to them. */
export function shortenIds(steps: readonly DraftStep[]): void {
  const shorter = new Map<string, string>();
  for (const { id } of steps) if (id.length > MAX_ID_LENGTH) shorter.set(id, shortenedId(id));
  if (shorter.size === 0) return;
  const changes = {
    step: (id: string) => {
      const name = shorter.get(id);
      return name === undefined ? null : { name };
    },
    parameter: () => null,
  };
  for (const step of steps) {
    // Whatever an expression cannot have rewritten was a problem when its pipeline was put in place.
    rewireStep(step, changes, () => undefined);
    step.id = shorter.get(step.id) ?? step.id;
    const needs = needsOf(step).map((need) => shorter.get(need) ?? need);
    step.members = { ...step.members, needs };
  }
}

/** The first characters, and ten hex digits of the whole: `eu--rollout-of-the-second-wave-…-3f9a0c11d2`. */
export function shortenedId(id: string): string {
  const digest = digestOfBytes(id).slice('sha256:'.length, 'sha256:'.length + DIGEST_LENGTH);
  return `${id.slice(0, MAX_ID_LENGTH - DIGEST_LENGTH - 1).replace(/-+$/, '')}-${digest}`;
}
