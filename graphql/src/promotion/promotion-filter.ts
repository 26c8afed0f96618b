import { isDigest, isName, type PromotionKind, type PromotionState } from '@sluice/domain';
import type { PromotionFilter } from '@sluice/persistence';
import { badUserInput } from '../common/bad-user-input.ts';
import { storedWord } from '../common/enum-name.ts';

/** The filter as GraphQL hands it over: enums and instants are checked. */
export interface PromotionFilterArg {
  readonly states?: readonly string[] | null;
  readonly environment?: string | null;
  readonly release?: string | null;
  readonly kind?: string | null;
  readonly since?: Date | null;
  readonly until?: Date | null;
}

/** Checks a filter; what is null narrows nothing. Throws a `BAD_USER_INPUT` error. */
export function readPromotionFilter(
  filter: PromotionFilterArg | null | undefined,
): PromotionFilter {
  const { states, environment, release, kind, since, until } = filter ?? {};
  // Nothing at all would fit an empty list; whoever writes one means something else.
  if (states?.length === 0) throw badUserInput('states: name at least one state.', 'filter.states');
  if (environment != null && !isName(environment)) {
    throw badUserInput('environment: write a DNS label.', 'filter.environment');
  }
  if (release != null && !isDigest(release)) {
    throw badUserInput('release: write sha256: and 64 lower-case hex digits.', 'filter.release');
  }
  return {
    states: states == null ? undefined : [...new Set(states)].map(asState),
    environment: environment ?? undefined,
    release: release ?? undefined,
    kind: kind == null ? undefined : (storedWord(kind) as PromotionKind),
    since: since?.toISOString(),
    until: until?.toISOString(),
  };
}

function asState(name: string): PromotionState {
  return storedWord(name) as PromotionState;
}
