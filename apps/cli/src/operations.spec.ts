import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { buildSchema, parse, validate } from 'graphql';
import { OPERATIONS } from './operations.ts';

const folder = fileURLToPath(new URL('../../../graphql/schema/', import.meta.url));
const schema = buildSchema(
  readdirSync(folder)
    .filter((name) => name.endsWith('.graphql'))
    .sort()
    .map((name) => readFileSync(`${folder}${name}`, 'utf8'))
    .join('\n'),
);

test.each(Object.entries(OPERATIONS))('%s is valid in the schema', (_, text) => {
  expect(validate(schema, parse(text))).toEqual([]);
});

test('an operation that asks for what is not there is found', () => {
  expect(validate(schema, parse('query X { viewer { shoeSize } }'))).toHaveLength(1);
});
