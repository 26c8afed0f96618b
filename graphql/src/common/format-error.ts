import { randomUUID } from 'node:crypto';
import { isPersistenceError } from '@sluice/persistence';
import type { GraphQLFormattedError } from 'graphql';
import { badCursor } from './page.ts';

/** Codes whose messages are written for the client; everything else is a fault of ours. */
const EXPECTED = new Set([
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'BAD_USER_INPUT',
  'BAD_REQUEST',
  'QUERY_TOO_LARGE',
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'OPERATION_RESOLUTION_FAILURE',
  'PERSISTED_QUERY_NOT_SUPPORTED',
]);

/** Takes the fault with the id that the client was given; writes the whole chain to the log. */
export type LogFault = (id: string, error: unknown) => void;

/**
 * Lets expected errors through without their inner workings; an unexpected one becomes a generic message
 * with an id under which the log has the rest.
 */
export function createErrorFormat(logFault: LogFault) {
  return (formatted: GraphQLFormattedError, error: unknown): GraphQLFormattedError => {
    // A cursor is read where the rows are: whatever list it was handed to, it is the client's mistake.
    const cause = (error as { readonly originalError?: unknown } | null)?.originalError;
    const said = isPersistenceError(cause, 'cursor-invalid') ? badCursor() : formatted;
    const { code, argument, limit } = said.extensions ?? {};
    const place = {
      ...(formatted.locations === undefined ? {} : { locations: formatted.locations }),
      ...(formatted.path === undefined ? {} : { path: formatted.path }),
    };
    if (typeof code === 'string' && EXPECTED.has(code)) {
      const detail = {
        ...(argument === undefined ? {} : { argument }),
        ...(limit === undefined ? {} : { limit }),
      };
      return { message: said.message, ...place, extensions: { code, ...detail } };
    }
    const id = randomUUID();
    logFault(id, error);
    return {
      message: `Something went wrong on the server; its log tells more under ${id}.`,
      ...place,
      extensions: { code: 'INTERNAL_SERVER_ERROR', id },
    };
  };
}
