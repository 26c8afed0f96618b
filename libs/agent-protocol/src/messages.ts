import {
  accepted,
  type Envelope,
  isName,
  type Outcome,
  refused,
  type TrustRoot,
} from '@sluice/domain';
import { parseStrictJson, parseTrustRoot } from '@sluice/signing';
import {
  anyObject,
  type Check,
  digest,
  firstWrongField,
  instant,
  integer,
  listOf,
  nullable,
  oneOf,
  text,
} from './shape.ts';

/** Paths of the agent channel. */
export const AGENT_PATHS = {
  enrol: '/agent/v1/enroll',
  heartbeat: '/agent/v1/heartbeat',
  commands: '/agent/v1/commands',
  reports: '/agent/v1/reports',
  probes: '/agent/v1/probes',
  /** Followed by `/<digest>`. */
  blobs: '/agent/v1/blobs',
} as const;

/** Longest long poll. Seconds. */
export const MAX_WAIT_SECONDS = 25;

/** Largest body of a request of an agent. Bytes. */
export const MAX_REQUEST_BYTES = 256 * 1024;

/** Largest answer to an agent, blobs apart. Bytes. */
export const MAX_RESPONSE_BYTES = 4 * 1024 * 1024;

/** Most commands in one answer. */
export const MAX_COMMANDS = 100;

/** Most samples in one request. */
export const MAX_PROBE_SAMPLES = 100;

/** Most requests of one sample: a thousand a second. */
const MAX_SAMPLE_REQUESTS = 60_000;

/** An hour. Milliseconds. */
const MAX_LATENCY_MS = 3_600_000;

/** `POST /agent/v1/enroll`; signed with the key that it brings. */
export interface EnrolRequest {
  readonly token: string;
  /** SPKI PEM. */
  readonly publicKey: string;
  /** Version of the agent. */
  readonly version: string;
}

/** Its answer. */
export interface EnrolResponse {
  readonly tenantId: string;
  readonly target: string;
  readonly agentKeyId: string;
  readonly trustRoot: TrustRoot;
  readonly heartbeatSeconds: number;
}

/** `POST /agent/v1/heartbeat`. */
export interface HeartbeatRequest {
  readonly version: string;
  /** Digest of the release that is active; null when none is. */
  readonly activeRelease: string | null;
  /** Highest sequence accepted; 0 before the first. */
  readonly lastSequence: number;
}

/** One command as it is handed to an agent. */
export interface CommandDelivery {
  readonly sequence: number;
  readonly envelope: Envelope;
  /** Canonical JSON of the command payload; its SHA-256 is the command's `payloadDigest`. */
  readonly payload: string;
  readonly traceparent: string;
}

/** Answer to `GET /agent/v1/commands?after=<sequence>&wait=<seconds>`; ascending by sequence. */
export interface CommandsResponse {
  readonly commands: readonly CommandDelivery[];
}

/** `POST /agent/v1/reports`. */
export interface ReportRequest {
  readonly envelope: Envelope;
}

/** What an agent measured of its own service in one interval. */
export interface ProbeSample {
  /** Beginning of the interval, RFC 3339, by the agent's clock. */
  readonly sampledAt: string;
  /** How long it was; 1 to 60. */
  readonly seconds: number;
  readonly requests: number;
  /** Of these, how many had another answer than 200, or none. */
  readonly errors: number;
  /** Milliseconds of those that had an answer; null where none had. */
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  readonly p99Ms: number | null;
  /** Digest of the release that was active; null for none. */
  readonly activeRelease: string | null;
}

/** `POST /agent/v1/probes`; a sample that came before changes nothing. */
export interface ProbesRequest {
  readonly samples: readonly ProbeSample[];
}

/** Answer to heartbeats, reports and samples. */
export interface OkResponse {
  readonly ok: true;
}

/** Answer with any status but 200. */
export interface ErrorResponse {
  readonly code: string;
  readonly message: string;
}

/** Query of the long poll. */
export interface CommandsQuery {
  readonly after: number;
  readonly waitSeconds: number;
}

const name: Check = (value) => typeof value === 'string' && isName(value);

/** Reads the body of an enrolment. Refusal, as of all these parsers: `body-malformed`. */
export function parseEnrolRequest(body: string | Uint8Array): Outcome<EnrolRequest> {
  return read(body, { token: text(2048), publicKey: text(2048), version: text(128) });
}

/** Reads the answer to an enrolment; its trust root is checked too. */
export function parseEnrolResponse(body: string | Uint8Array): Outcome<EnrolResponse> {
  const outcome = read<EnrolResponse>(body, {
    tenantId: name,
    target: name,
    agentKeyId: digest,
    trustRoot: anyObject,
    heartbeatSeconds: integer(1),
  });
  if (!outcome.ok) return outcome;
  try {
    return accepted({ ...outcome.value, trustRoot: parseTrustRoot(outcome.value.trustRoot) });
  } catch (error) {
    return refused('body-malformed', (error as Error).message);
  }
}

/** Reads the body of a heartbeat. */
export function parseHeartbeatRequest(body: string | Uint8Array): Outcome<HeartbeatRequest> {
  return read(body, {
    version: text(128),
    activeRelease: nullable(digest),
    lastSequence: integer(0),
  });
}

/** Reads the body of a report; the envelope is opened by `openReport`. */
export function parseReportRequest(body: string | Uint8Array): Outcome<ReportRequest> {
  return read(body, { envelope: anyObject });
}

/** Reads the body of an agent's own samples. */
export function parseProbesRequest(body: string | Uint8Array): Outcome<ProbesRequest> {
  return read(body, { samples: listOf(isProbeSample, MAX_PROBE_SAMPLES) });
}

/** Reads the answer to a poll; the envelopes are opened by `openCommand`. */
export function parseCommandsResponse(body: string | Uint8Array): Outcome<CommandsResponse> {
  const outcome = read<CommandsResponse>(body, {
    commands: listOf(
      (value) =>
        firstWrongField(value, {
          sequence: integer(1),
          envelope: anyObject,
          payload: text(1024 * 1024),
          traceparent: text(64, 0),
        }) === undefined,
      MAX_COMMANDS,
    ),
  });
  return outcome;
}

/** Reads `{ok: true}`. */
export function parseOkResponse(body: string | Uint8Array): Outcome<OkResponse> {
  return read(body, { ok: oneOf(true) });
}

/** Reads an error's body. */
export function parseErrorResponse(body: string | Uint8Array): Outcome<ErrorResponse> {
  return read(body, { code: text(128), message: text(4096, 0) });
}

/** Reads the query of the long poll; absent values are 0. Refusal: `query-malformed`. */
export function parseCommandsQuery(query: {
  readonly after?: unknown;
  readonly wait?: unknown;
}): Outcome<CommandsQuery> {
  const after = wholeNumber(query.after);
  const waitSeconds = wholeNumber(query.wait);
  if (after === undefined || waitSeconds === undefined || waitSeconds > MAX_WAIT_SECONDS) {
    const what = `after must be a sequence, wait at most ${MAX_WAIT_SECONDS} seconds.`;
    return refused('query-malformed', `The poll is not understood: ${what}`);
  }
  return accepted({ after, waitSeconds });
}

const isLatency = nullable(
  (value) => typeof value === 'number' && value >= 0 && value <= MAX_LATENCY_MS,
);

const isProbeSample: Check = (value) => {
  const wrong = firstWrongField(value, {
    sampledAt: instant,
    seconds: (seconds) => integer(1)(seconds) && (seconds as number) <= 60,
    requests: (count) => integer(0)(count) && (count as number) <= MAX_SAMPLE_REQUESTS,
    errors: integer(0),
    p50Ms: isLatency,
    p90Ms: isLatency,
    p99Ms: isLatency,
    activeRelease: nullable(digest),
  });
  if (wrong !== undefined) return false;
  const { errors, requests } = value as ProbeSample;
  return errors <= requests;
};

function wholeNumber(value: unknown): number | undefined {
  if (value === undefined) return 0;
  return typeof value === 'string' && /^(?:0|[1-9][0-9]{0,14})$/.test(value)
    ? Number(value)
    : undefined;
}

function read<T>(body: string | Uint8Array, shape: Readonly<Record<string, Check>>): Outcome<T> {
  try {
    const value = parseStrictJson(body, { maxBytes: MAX_RESPONSE_BYTES, maxDepth: 16 });
    const wrong = firstWrongField(value, shape);
    if (wrong === undefined) return accepted(value as T);
    return refused('body-malformed', `The body is not understood: field ${wrong} is wrong.`);
  } catch (error) {
    return refused('body-malformed', `The body is not understood: ${(error as Error).message}`);
  }
}
