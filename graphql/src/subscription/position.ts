import type { GraphQLError } from 'graphql';
import { badUserInput } from '../common/bad-user-input.ts';

/** A position that a client hands over; null when it gave none. Throws a `BAD_USER_INPUT` error. */
export function readPosition(after: string | null | undefined): number | null {
  if (after === null || after === undefined) return null;
  if (!/^(?:0|[1-9][0-9]{0,14})$/.test(after)) throw badPosition();
  return Number(after);
}

/** The error for what no event of this tenant has as its position. */
export function badPosition(): GraphQLError {
  return badUserInput('after: this is no position; hand over one that an event had.', 'after');
}
