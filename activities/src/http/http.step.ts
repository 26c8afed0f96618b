import { withHeartbeats } from '../activity-scope.ts';
import type { ActivityDependencies } from '../dependencies.ts';
import { recordBlobs } from '../evidence/stored-document.ts';
import { maskHeader, readBeginning } from '../outbound/answer-body.ts';
import { attemptMilliseconds } from '../outbound/attempt-time.ts';
import type { OutboundAnswer } from '../outbound/outbound-client.ts';
import { requireOutbound } from '../outbound/outbound-clients.ts';
import { isOutboundError, type OutboundErrorCode } from '../outbound/outbound-error.ts';
import { isSecretError } from '../secrets/secret-source.ts';
import {
  failedResult,
  type StepOutcome,
  type StepRun,
  type StepType,
  succeededResult,
} from '../step/step-type.ts';
import { type ComposedRequest, composeRequest } from './compose-request.ts';
import { type HttpInputs, judgeStatus } from './http-inputs.ts';
import { keepAnswer } from './keep-answer.ts';

type HttpParts = Pick<ActivityDependencies, 'evidence' | 'outbound' | 'secrets'>;

const DEFAULT_MAX_BYTES = 1_048_576;

/** Of a failed answer's body in the step's log. */
const SHOWN_BYTES = 2048;

/** Where nothing says how long an attempt may take. */
const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * `http@1`: one request, and a look at its answer. Reason codes: `http-no-answer` and `http-status-temporary` (worth another attempt),
 * `http-status-unexpected`, `http-answer-too-large`, `address-refused`, `input-invalid`.
 */
export function createHttpStep(parts: HttpParts): StepType {
  return {
    type: 'http',
    version: 1,
    marksEffect: true,
    run: (run) => withHeartbeats(run.scope, 'http', () => request(parts, run)),
  };
}

async function request(parts: HttpParts, run: StepRun): Promise<StepOutcome> {
  const { team } = requireOutbound(parts.outbound);
  const inputs = run.inputs as unknown as HttpInputs;
  const { maxResponseBytes: maxBytes = DEFAULT_MAX_BYTES } = inputs;
  let composed: ComposedRequest | undefined;
  const began = performance.now();
  const seconds = (): string => ((performance.now() - began) / 1000).toFixed(2);
  try {
    const asked = await composeRequest(run, parts.secrets);
    composed = asked;
    run.output.write(describeRequest(run, asked));
    await run.beginEffect?.();
    return await team.exchange(
      {
        ...asked,
        maxBytes,
        timeoutMs: attemptMilliseconds(run.scope, DEFAULT_TIMEOUT_MS),
        cancellation: run.scope.cancellation,
      },
      (answer) =>
        judgeStatus(inputs, answer.status) === 'good'
          ? keepGood(parts, run, asked, answer, maxBytes, seconds)
          : refuseStatus(run, inputs, asked, answer, seconds),
    );
  } catch (error) {
    run.scope.cancellation.throwIfAborted();
    if (isSecretError(error)) return { result: failedResult(error.code, error.message) };
    if (!isOutboundError(error)) throw error;
    run.output.write(`< none after ${seconds()} s: ${error.message}\n`);
    return {
      result: failedResult(
        FAILED[error.code],
        describeFailure(composed, error.code, error.message),
      ),
    };
  }
}

const FAILED: Readonly<Record<OutboundErrorCode, string>> = {
  'outbound-invalid': 'input-invalid',
  'outbound-refused': 'address-refused',
  'outbound-unanswered': 'http-no-answer',
  'outbound-too-large': 'http-answer-too-large',
};

function describeFailure(
  composed: ComposedRequest | undefined,
  code: OutboundErrorCode,
  why: string,
): string {
  const shown = composed?.shown ?? 'The request';
  switch (code) {
    case 'outbound-invalid':
      return `${shown} cannot be sent: ${why}. Change the pipeline or the secret.`;
    case 'outbound-refused':
      return `${shown} may not be sent from this worker: ${why}.`;
    case 'outbound-too-large':
      return `The answer to ${shown} is not taken: ${why}. Ask for less, or raise maxResponseBytes.`;
    case 'outbound-unanswered':
      return (
        `${shown} has no answer: ${why}. Look whether the service runs and this worker reaches it` +
        `${composed?.hasEffects === true ? '; it may have done what it was asked for' : ''}.`
      );
  }
}

async function keepGood(
  { evidence }: HttpParts,
  run: StepRun,
  { secrets }: ComposedRequest,
  answer: OutboundAnswer,
  maxBytes: number,
  seconds: () => string,
): Promise<StepOutcome> {
  const { blob, values, withoutBody } = await keepAnswer(evidence, answer, maxBytes, secrets);
  run.output.write(
    `< ${answer.status} in ${seconds()} s, ${blob.size} bytes, kept as ${blob.digest}\n` +
      (withoutBody === undefined ? '' : `  The body is no output: ${withoutBody}.\n`),
  );
  return {
    result: succeededResult({ bodyDigest: blob.digest }, values),
    record: (tx) => recordBlobs(tx, [blob]),
  };
}

async function refuseStatus(
  run: StepRun,
  inputs: HttpInputs,
  { shown, secrets }: ComposedRequest,
  answer: OutboundAnswer,
  seconds: () => string,
): Promise<StepOutcome> {
  const { status } = answer;
  const beginning = await readBeginning(answer.body, SHOWN_BYTES, secrets);
  run.scope.cancellation.throwIfAborted();
  run.output.write(`< ${status} in ${seconds()} s\n${beginning === '' ? '' : `${beginning}\n`}`);
  if (judgeStatus(inputs, status) === 'temporary') {
    return {
      result: failedResult(
        'http-status-temporary',
        `${shown} was answered with ${status}, which is worth another attempt. Look at the service.`,
      ),
    };
  }
  const location = answer.headers['location'];
  const where =
    status >= 300 && status < 400 && location !== undefined
      ? ` It leads to ${maskHeader(location, secrets).slice(0, 200)}: redirects are not followed, name that URL itself.`
      : ` It wants ${inputs.status?.join(', ') ?? 'a 2xx'}; the step's log shows the beginning of the answer.`;
  return {
    result: failedResult('http-status-unexpected', `${shown} was answered with ${status}.${where}`),
  };
}

function describeRequest(
  run: StepRun,
  { shown, headers, body, hasEffects, ownKey }: ComposedRequest,
) {
  const key = ownKey
    ? ', with the Idempotency-Key that the pipeline gives'
    : hasEffects
      ? `, Idempotency-Key ${headers['idempotency-key']}`
      : '';
  const size = body === undefined ? '' : `, ${body.byteLength} bytes`;
  return `> ${shown} (attempt ${run.scope.attempt}${size}${key})\n`;
}
