import {
  type AgentCommand,
  type AgentReport,
  accepted,
  COMMAND_KINDS,
  COMMAND_SCHEMA,
  COMPONENT_KINDS,
  type CommandPayload,
  type Envelope,
  findRouteTableProblem,
  isName,
  isVersion,
  type Outcome,
  PAYLOAD_SCHEMA,
  REPORT_SCHEMA,
  REPORT_STAGES,
  ROUTE_PAYLOAD_SCHEMA,
  type RoutePayload,
  refused,
  type TrustRoot,
} from '@sluice/domain';
import { canonicalJson, digestOf, digestOfBytes } from '@sluice/pure';
import {
  createEnvelope,
  type KeyPair,
  keyIdOf,
  listTrustedKeys,
  parseStrictJson,
  statementDigest,
  verifyEnvelope,
} from '@sluice/signing';
import {
  anyObject,
  type Check,
  digest,
  firstWrongField,
  instant,
  integer,
  listOf,
  mapOf,
  nullable,
  object,
  oneOf,
  optional,
  text,
} from './shape.ts';

/** DSSE payload type of a command. */
export const COMMAND_PAYLOAD_TYPE = 'application/vnd.sluice.command+json';

/** DSSE payload type of a report. */
export const REPORT_PAYLOAD_TYPE = 'application/vnd.sluice.report+json';

/** Largest command, report or command payload. Bytes. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;

const name: Check = (value) => typeof value === 'string' && isName(value);
const version: Check = (value) => typeof value === 'string' && isVersion(value);
const promotionId: Check = (value) =>
  typeof value === 'string' && value.length <= 80 && /^[a-z0-9-]+\/[1-9][0-9]*$/.test(value);

const COMMAND_SHAPE: Readonly<Record<keyof AgentCommand, Check>> = {
  schema: oneOf(COMMAND_SCHEMA),
  tenantId: name,
  target: name,
  agentKeyId: digest,
  sequence: integer(1),
  fencingToken: integer(0),
  kind: oneOf(...COMMAND_KINDS),
  promotionId,
  releaseDigest: digest,
  planDigest: digest,
  payloadDigest: digest,
  notBefore: instant,
  expiresAt: instant,
  idempotencyKey: text(256),
};

const REPORT_SHAPE: Readonly<Record<keyof AgentReport, Check>> = {
  schema: oneOf(REPORT_SCHEMA),
  tenantId: name,
  target: name,
  agentKeyId: digest,
  commandDigest: digest,
  sequence: integer(1),
  stage: oneOf(...REPORT_STAGES),
  at: instant,
  failure: nullable(object({ code: text(128), message: text(4096, 0) })),
  activeRelease: nullable(digest),
};

const setting: Check = (value) => text(32_768, 0)(value) || object({ secret: text(256) })(value);

const PAYLOAD_SHAPE: Readonly<Record<keyof CommandPayload, Check>> = {
  schema: oneOf(PAYLOAD_SCHEMA),
  environment: name,
  desired: nullable(
    object({
      release: object({ digest, name, version }),
      components: listOf(
        object({
          name,
          kind: oneOf(...COMPONENT_KINDS),
          digest,
          version,
          manifest: object({ mediaType: text(256), digest, size: integer(0) }),
        }),
        200,
      ),
      settings: mapOf(setting, 1000),
    }),
  ),
  expects: optional(nullable(object({ release: digest, settingsDigest: digest }))),
  health: object({
    path: (value) => text(2048)(value) && (value as string).startsWith('/'),
    port: (value) => integer(1)(value) && (value as number) <= 65_535,
    intervalMs: integer(1),
    timeoutMs: integer(1),
    successes: integer(1),
    failures: integer(1),
  }),
  traceparent: text(64, 0),
};

const ROUTE_PAYLOAD_SHAPE: Readonly<Record<keyof RoutePayload, Check>> = {
  schema: oneOf(ROUTE_PAYLOAD_SCHEMA),
  environment: name,
  router: name,
  // Read by `findRouteTableProblem`.
  table: anyObject,
  expects: optional(nullable(digest)),
  traceparent: text(64, 0),
};

/** A command whose signature was verified. */
export interface OpenedCommand {
  readonly command: AgentCommand;
  /** SHA-256 of the command's DSSE payload bytes; reports name it. */
  readonly commandDigest: string;
  /** Key that signed it. */
  readonly keyId: string;
}

/** Signs a command in its canonical form; the caller (the signer) has checked what it says. */
export function createCommandEnvelope(command: AgentCommand, keyPair: KeyPair): Envelope {
  return createEnvelope(COMMAND_PAYLOAD_TYPE, canonicalJson(command), keyPair);
}

/**
 * Verifies and reads a command: exactly one signature by a command key of the trust root that is valid now,
 * canonical text, exactly the known fields. Whether the agent may act on it is `admitCommand`'s to say.
 * Refusals: `envelope-malformed`, `key-not-trusted`, `key-unusable`, `command-malformed`.
 * @param now milliseconds since the epoch
 */
export function openCommand(
  envelope: unknown,
  trustRoot: TrustRoot,
  now: number = Date.now(),
): Outcome<OpenedCommand> {
  const opened = open<AgentCommand>(
    envelope,
    listTrustedKeys(trustRoot, 'command', now),
    COMMAND_PAYLOAD_TYPE,
    COMMAND_SHAPE,
    'command-malformed',
  );
  if (!opened.ok) return opened;
  const { body: command, digest: commandDigest, keyId } = opened.value;
  if (!(Date.parse(command.notBefore) < Date.parse(command.expiresAt))) {
    return refused('command-malformed', 'The command expires before it becomes valid.');
  }
  return accepted({ command, commandDigest, keyId });
}

/** Signs a report with the agent's own key. */
export function createReportEnvelope(report: AgentReport, keyPair: KeyPair): Envelope {
  return createEnvelope(REPORT_PAYLOAD_TYPE, canonicalJson(report), keyPair);
}

/**
 * Verifies and reads a report with the agent's public key (SPKI PEM); its `agentKeyId` must be that key's.
 * Refusals: `envelope-malformed`, `key-not-trusted`, `key-unusable`, `report-malformed`.
 */
export function openReport(envelope: unknown, publicKey: string): Outcome<AgentReport> {
  const id = keyIdOf(publicKey);
  const opened = open<AgentReport>(
    envelope,
    [{ id, publicKey }],
    REPORT_PAYLOAD_TYPE,
    REPORT_SHAPE,
    'report-malformed',
  );
  if (!opened.ok) return opened;
  const report = opened.value.body;
  if (report.agentKeyId !== id) {
    return refused('report-malformed', `The report names key ${report.agentKeyId}, ${id} signed.`);
  }
  const needsFailure = report.stage === 'refused' || report.stage === 'reverted';
  if (report.failure !== null && !needsFailure) {
    return refused('report-malformed', `A report of stage ${report.stage} has no failure.`);
  }
  return accepted(report);
}

/**
 * Reads what travels beside a command to deploy or revert: canonical text whose digest the command names, known fields only.
 * Refusals: `payload-mismatch`, `payload-malformed`.
 */
export function openCommandPayload(
  payload: string,
  command: AgentCommand,
): Outcome<CommandPayload> {
  return openNamed(payload, command, PAYLOAD_SHAPE);
}

/**
 * As {@link openCommandPayload}, of a command of kind `route`: its table is one, is the one that the command names, and is for the command's
 * router. Refusals: `payload-mismatch`, `payload-malformed`, `route-invalid`.
 */
export function openRoutePayload(payload: string, command: AgentCommand): Outcome<RoutePayload> {
  const opened = openNamed<RoutePayload>(payload, command, ROUTE_PAYLOAD_SHAPE);
  if (!opened.ok) return opened;
  const { router, table } = opened.value;
  const problem = findRouteTableProblem(table);
  if (problem !== undefined) {
    return refused('route-invalid', `The command's payload is no route table: ${problem}.`);
  }
  const found = digestOf(table);
  if (router === command.target && found === command.planDigest) return opened;
  return refused(
    'payload-mismatch',
    `The payload has the route table ${found} for ${router}, the command names ${command.planDigest} for ${command.target}.`,
  );
}

function openNamed<T>(
  payload: string,
  { payloadDigest }: AgentCommand,
  shape: Readonly<Record<string, Check>>,
): Outcome<T> {
  const found = digestOfBytes(payload);
  if (found !== payloadDigest) {
    return refused(
      'payload-mismatch',
      `The payload has the digest ${found}, the command names ${payloadDigest}.`,
    );
  }
  return readBody(payload, shape, 'payload-malformed');
}

function open<T>(
  envelope: unknown,
  keys: readonly { readonly id: string; readonly publicKey: string }[],
  payloadType: string,
  shape: Readonly<Record<string, Check>>,
  code: string,
): Outcome<{ readonly body: T; readonly digest: string; readonly keyId: string }> {
  const verified = verifyEnvelope(envelope, keys);
  if (!verified.ok) return verified;
  const [keyId, ...others] = verified.value.keyIds;
  if (keyId === undefined || others.length > 0 || verified.value.payloadType !== payloadType) {
    return refused(code, `The envelope must hold ${payloadType} with one signature.`);
  }
  const body = readBody<T>(verified.value.payload, shape, code);
  if (!body.ok) return body;
  return accepted({ body: body.value, digest: statementDigest(envelope as Envelope), keyId });
}

function readBody<T>(
  source: string | Uint8Array,
  shape: Readonly<Record<string, Check>>,
  code: string,
): Outcome<T> {
  try {
    const value = parseStrictJson(source, { maxBytes: MAX_MESSAGE_BYTES, maxDepth: 16 });
    const wrong = firstWrongField(value, shape);
    if (wrong !== undefined)
      return refused(code, `Its field ${wrong} is missing, wrong or unknown.`);
    const isSame = Buffer.from(canonicalJson(value)).equals(
      typeof source === 'string' ? Buffer.from(source) : source,
    );
    return isSame ? accepted(value as T) : refused(code, 'Its text is not canonical JSON.');
  } catch (error) {
    return refused(code, (error as Error).message);
  }
}
