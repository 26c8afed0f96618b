/** What benches share: questions to a stack's API, a release, a bare worker beside it, and figures. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const CREATE = `mutation ($input: CreateReleaseInput!) {
  createRelease(input: $input) { ... on ReleaseRequest { release { id } refusal { message } } ... on Refusal { code message } }
}`;
const REQUEST = `mutation ($input: RequestPromotionInput!) {
  requestPromotion(input: $input) { ... on Promotion { id } ... on Refusal { code message } }
}`;

/** Asks a stack's API as one principal; gives an answer's data. */
export function createClient(stack, principal = 'release-manager') {
  return async (query, variables) => {
    const response = await fetch(stack.graphqlUrl, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${stack.tokens[principal]}`,
      },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = await response.json();
    if (errors !== undefined) throw new Error(`The API refused: ${JSON.stringify(errors)}`);
    return data;
  };
}

/** Makes the release that a bench promotes; gives its id. */
export async function createRelease(ask) {
  const components = [{ name: 'bench', source: 'samples', reference: '1.0.0' }];
  const input = { name: 'bench', version: '1.0.0', components, idempotencyKey: 'bench' };
  const { createRelease: request } = await ask(CREATE, { input });
  if (request.release == null) throw new Error(`No release: ${JSON.stringify(request)}`);
  return request.release.id;
}

/** Requests a promotion; gives its id. */
export async function requestPromotion(ask, release, environment) {
  const input = { release, environment, idempotencyKey: crypto.randomUUID() };
  const { requestPromotion: answer } = await ask(REQUEST, { input });
  if (answer.id === undefined) throw new Error(`No promotion: ${JSON.stringify(answer)}`);
  return answer.id;
}

/** Starts the baseline's worker, a process of its own as Sluice's is, and waits until it is ready. `env` is added to its environment. */
export async function startBareWorker(stack, script, env = {}) {
  const worker = spawn(process.execPath, [script], {
    env: {
      ...process.env,
      BENCH_TEMPORAL: stack.temporalAddress,
      BENCH_NAMESPACE: stack.temporalNamespace,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(worker.stdout, 'data');
  return worker;
}

/** Ends a stack in order when the bench is interrupted. */
export function stopOnSignal(stack) {
  const abandon = () => stack.stop().finally(() => process.exit(130));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, abandon);
}

/** The value at a fraction of the sorted values, between two neighbours where it falls there. */
export function quantile(values, fraction) {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * fraction;
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
}
