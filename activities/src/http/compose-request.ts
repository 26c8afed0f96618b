import { cutText } from '@sluice/domain';
import { canonicalJson } from '@sluice/pure';
import { OutboundError } from '../outbound/outbound-error.ts';
import { readOutboundHeaders } from '../outbound/request-form.ts';
import { readSecretUrl } from '../outbound/secret-url.ts';
import { serviceKey } from '../outbound/service-key.ts';
import { readSecret } from '../secrets/read-secret.ts';
import type { SecretSource } from '../secrets/secret-source.ts';
import type { StepRun } from '../step/step-type.ts';
import type { HttpInputs, TextOrSecret } from './http-inputs.ts';

/** A request with its secrets in place, and what may be said of it. */
export interface ComposedRequest {
  readonly method: string;
  readonly url: string;
  /** For people: method and URL, without a secret one. */
  readonly shown: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  /** Values that must not be shown. */
  readonly secrets: readonly string[];
  /** True where the service may have changed something although no answer came. */
  readonly hasEffects: boolean;
  /** True where the pipeline gives an `Idempotency-Key` of its own. */
  readonly ownKey: boolean;
}

/** Methods whose repetition a service is told of. */
const EFFECTS: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

/** Of a URL, in messages. */
const MAX_SHOWN = 300;

const KEY_HEADER = 'idempotency-key';

/**
 * Puts a request together.
 * @throws SecretError, OutboundError `outbound-invalid`
 */
export async function composeRequest(
  run: StepRun,
  source: SecretSource | undefined,
): Promise<ComposedRequest> {
  const inputs = run.inputs as unknown as HttpInputs;
  const method = inputs.method ?? 'GET';
  const secrets: string[] = [];
  const read = async (name: string): Promise<string> => {
    const value = await readSecret(run, source, name);
    secrets.push(value);
    return value;
  };
  const textOf = async (value: TextOrSecret): Promise<string> =>
    typeof value === 'string' ? value : read(value.secret);
  const urlOf = async (value: TextOrSecret): Promise<string> => {
    if (typeof value === 'string') return value;
    const read = await readSecretUrl(run, source, value.secret);
    secrets.push(...read.secrets);
    return read.url;
  };

  const url = await urlOf(inputs.url);
  const given = readOutboundHeaders(inputs.headers ?? {});
  const fromSecrets: Record<string, string> = {};
  for (const [name, secret] of Object.entries(inputs.secretHeaders ?? {})) {
    fromSecrets[name] = await read(secret);
  }
  const secretHeaders = readOutboundHeaders(fromSecrets);
  const twice = Object.keys(secretHeaders).find((name) => Object.hasOwn(given, name));
  if (twice !== undefined) {
    throw new OutboundError(
      'outbound-invalid',
      `the header ${twice} stands in headers and in secretHeaders`,
    );
  }
  const headers = { ...given, ...secretHeaders };
  const hasEffects = EFFECTS.has(method);
  const ownKey = Object.hasOwn(headers, KEY_HEADER);
  const content = await composeBody(inputs, textOf);
  return {
    method,
    url,
    shown: `${method} ${typeof inputs.url === 'string' ? cutText(inputs.url, MAX_SHOWN) : 'to its secret URL'}`,
    headers: {
      accept: '*/*',
      'user-agent': 'sluice-http',
      ...content.headers,
      ...(hasEffects ? { [KEY_HEADER]: serviceKey(run) } : {}),
      // What the pipeline says stands, also of the key.
      ...headers,
    },
    body: content.body,
    secrets,
    hasEffects,
    ownKey: hasEffects && ownKey,
  };
}

async function composeBody(
  inputs: HttpInputs,
  textOf: (value: TextOrSecret) => Promise<string>,
): Promise<{ readonly headers: Record<string, string>; readonly body?: Uint8Array }> {
  if (inputs.json !== undefined) {
    return {
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(canonicalJson(inputs.json), 'utf8'),
    };
  }
  if (inputs.body === undefined) return { headers: {} };
  return {
    headers: { 'content-type': 'text/plain; charset=utf-8' },
    body: Buffer.from(await textOf(inputs.body), 'utf8'),
  };
}
