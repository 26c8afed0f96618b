import { GraphQLError } from 'graphql';

/** A query's argument breaks a rule; `argument` names it. */
export function badUserInput(message: string, argument: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT', argument } });
}
