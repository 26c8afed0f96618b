import { findExceededLimit, MAX_QUERY_TOKENS, type QueryLimits } from '@sluice/graphql';
import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  getVariableValues,
  OperationTypeNode,
  parse,
  validate,
} from 'graphql';

/** What a client asks to subscribe to. */
export interface SubscribeRequest {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: Record<string, unknown> | null | undefined;
}

/**
 * Parses and checks a subscription as an HTTP request is checked; gives the document, or why it is refused. Queries and
 * mutations go over HTTP: there is one way to each of them.
 */
export function readOperation(
  schema: GraphQLSchema,
  { query, operationName, variables }: SubscribeRequest,
  limits: QueryLimits,
): DocumentNode | readonly GraphQLError[] {
  let document: DocumentNode;
  try {
    document = parse(query, { maxTokens: MAX_QUERY_TOKENS });
  } catch (error) {
    return [refusal('GRAPHQL_PARSE_FAILED', (error as Error).message)];
  }
  const problems = validate(schema, document);
  if (problems.length > 0) {
    return problems.map(({ message }) => refusal('GRAPHQL_VALIDATION_FAILED', message));
  }
  const operation = getOperationAST(document, operationName);
  if (operation == null) {
    return [refusal('OPERATION_RESOLUTION_FAILURE', 'Name the operation that is meant.')];
  }
  if (operation.operation !== OperationTypeNode.SUBSCRIPTION) {
    return [
      refusal('BAD_REQUEST', 'Send queries and mutations by POST; this is for subscriptions.'),
    ];
  }
  const { errors } = getVariableValues(
    schema,
    operation.variableDefinitions ?? [],
    variables ?? {},
  );
  if (errors !== undefined) return errors.map(({ message }) => refusal('BAD_USER_INPUT', message));
  const exceeded = findExceededLimit(schema, document, operation, variables ?? {}, limits);
  return exceeded === undefined ? document : [exceeded];
}

function refusal(code: string, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code } });
}
