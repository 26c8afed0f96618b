import { expect, test } from '@jest/globals';
import { buildSchema, Kind, type OperationDefinitionNode, parse, validate } from 'graphql';
import { readTypeDefs } from '../type-defs.ts';
import { findExceededLimit } from './query-limits.ts';

const schema = buildSchema(readTypeDefs());

function exceeded(text: string): unknown {
  const document = parse(text);
  expect(validate(schema, document)).toEqual([]);
  const operation = document.definitions.find(
    (node): node is OperationDefinitionNode => node.kind === Kind.OPERATION_DEFINITION,
  );
  if (operation === undefined) throw new Error('there is no operation');
  return findExceededLimit(schema, document, operation, {})?.extensions['limit'];
}

const SEARCH = 'searchStepLogs(promotion: "dev/1", text: "x")';
const PREVIEW = 'previewPromotion(environment: "dev")';
const COMPARE = 'comparePipelines(from: "a", to: "b")';
const RESOLVE = 'resolvePipeline(pipeline: "a")';

test.each([SEARCH, PREVIEW, COMPARE, RESOLVE])('%s is asked for alone', (field) => {
  expect(exceeded(`{ ${field} { __typename } }`)).toBeUndefined();
});

test.each([
  `{ a: ${SEARCH} { complete } b: ${SEARCH} { complete } }`,
  `{ a: ${PREVIEW} { __typename } b: ${COMPARE} { __typename } c: ${RESOLVE} { __typename } }`,
  `{ ...many } fragment many on Query { a: ${SEARCH} { complete } b: ${PREVIEW} { __typename } }`,
  `{ ${Array.from({ length: 20 }, (_, at) => `l${at}: stepLog(promotion: "dev/1", step: "a") { text }`).join(' ')} }`,
])('much work under several names is too much: %s', (text) => {
  expect(exceeded(text)).toBe('cost');
});
