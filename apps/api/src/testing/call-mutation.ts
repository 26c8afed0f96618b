import { readTypeDefs } from '@sluice/graphql';
import { buildSchema, getNamedType } from 'graphql';
import { type Answer, type TestApi, tokenOf } from './test-api.ts';

/** The schema as the API serves it. */
export const schema = buildSchema(readTypeDefs());

/** The fields of Mutation. */
export const mutations = Object.values(schema.getMutationType()?.getFields() ?? {});

/** Calls a mutation by its name and asks for everything that a refusal can say. */
export function callMutation(
  api: TestApi,
  name: string,
  input: unknown,
  token: string | null = tokenOf('admin'),
): Promise<Answer> {
  const type = getNamedType(mutations.find((field) => field.name === name)?.args[0]?.type);
  const query = `mutation ($input: ${type?.name}!) {
    ${name}(input: $input) {
      __typename
      ... on Refusal { code message }
      ... on InvalidInput { field }
      ... on NotPermitted { permission }
    }
  }`;
  return api.ask(query, { input }, token);
}
