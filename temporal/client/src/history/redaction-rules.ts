/**
 * What stays in a redacted history: texts under these names that have these forms, and nothing else. A name that is not listed is
 * blanked, so that a field that comes later is hidden until somebody looks at it.
 */

/** A name that a configuration or the code gives: of an environment, a step, a timer, a patch. */
const WORD = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/;
/** What code and engine count on: states, codes, types of errors. */
const CODE = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;
/** A type of step, with its version. */
const TYPE = /^[A-Za-z][A-Za-z0-9_.-]{0,63}(?:@\d{1,4})?$/;
/** UUIDs, and the engine's fixed words in their place. */
const ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
/** Of workflows, activities, signals and task queues. */
const CALLED = /^[A-Za-z0-9_][A-Za-z0-9_.$/-]{0,99}$/;
/** What a worker calls its version, alone or after its deployment; the SDK's own begins with its package. */
const BUILD =
  /^(?:@[a-z]{1,40}\/)?[A-Za-z0-9][A-Za-z0-9_.-]{0,99}(?:[.:@+][A-Za-z0-9_.+-]{1,140})?$/;
const VERSION = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$/;
const REFERENCE = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const WORKFLOW = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}(?:\/[A-Za-z0-9_.-]{1,64}){0,6}$/;
const PROMOTION = /^(?:[a-z0-9-]{1,63}\/\d{1,10}|[0-9a-f-]{36}|[a-z0-9-]{1,63})$/;
/** Of a pipeline: what an `if` asks. A value that it is compared with may stand in it, as in the pipeline that everybody can read. */
const EXPRESSION = /^[\n\t\x20-\x7e\u00a0-\uffff]{1,4096}$/;
/** `steps.build.outputs.digest`, `*`, names of outputs. */
const PATH = /^(?:\*|[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]{1,63}){0,3})$/;
/** Where the steps of a course stand, a sign each. */
const STANDINGS = /^[.A-Za-z]{1,5000}$/;
const FINGERPRINT = /^[0-9a-f]{8}$/;
const LEASE = /^(?:promotion|environment|group):[a-z0-9-]{1,63}(?:\/\d{1,10})?$/;
const SCHEMA = /^sluice\.[a-z-]{1,40}\/v\d{1,3}$/;
const TRACE = /^[0-9a-f]{2}-[0-9a-f]{1,32}-[0-9a-f]{1,16}-[0-9a-f]{2}$/;
const CRON = /^@[a-z]{1,10}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;
/** Whatever its field allows: no address with its password, nothing long. */
const ADDRESS = /:\/\//;
const MAX_LENGTH = 200;

/** Fields whose texts are conditions. */
export const EXPRESSION_FIELDS: ReadonlySet<string> = new Set(['cel', 'if']);

/** Fields whose texts name steps, outputs and parameters. */
export const PATH_FIELDS: ReadonlySet<string> = new Set(['reads', 'ref', 'wants']);

/** Fields that may be longer: their own forms say how long. */
const LONG_FIELDS: ReadonlySet<string> = new Set([...EXPRESSION_FIELDS, 'standings']);

/** What stays of one kind of texts: the names of fields, and what each may hold. */
export type KeptFields = ReadonlyMap<string, RegExp>;

/** Texts of the engine's own messages. */
export const KEPT_MESSAGE_FIELDS: KeptFields = new Map([
  ['activityId', WORD],
  ['attachedRequestId', ID],
  ['baseRunId', ID],
  ['binaryChecksum', BUILD],
  ['buildId', BUILD],
  ['continuedExecutionRunId', ID],
  ['cronSchedule', CRON],
  ['deploymentName', BUILD],
  ['firstExecutionRunId', ID],
  ['inheritedBuildId', BUILD],
  ['markerName', WORD],
  ['name', CALLED],
  ['namespace', WORD],
  ['namespaceId', ID],
  ['newExecutionRunId', ID],
  ['newRunId', ID],
  ['newTaskQueue', CALLED],
  ['nonRetryableErrorTypes', CODE],
  ['normalName', CALLED],
  ['originalExecutionRunId', ID],
  ['parentPinnedWorkerDeploymentVersion', BUILD],
  ['parentWorkflowNamespace', WORD],
  ['parentWorkflowNamespaceId', ID],
  ['pinnedVersion', BUILD],
  ['requestId', ID],
  ['runId', ID],
  ['sdkName', WORD],
  ['sdkVersion', VERSION],
  ['seriesName', BUILD],
  ['signalName', CALLED],
  ['source', CODE],
  ['timerId', WORD],
  ['type', CODE],
  ['workerDeploymentName', BUILD],
  ['workerDeploymentVersion', BUILD],
  ['workflowId', WORKFLOW],
]);

/** Texts in what workflows and activities are given and give; some are search attributes, or what an activity gives alone. */
export const KEPT_FIELDS: KeptFields = new Map([
  ['action', CODE],
  ['cel', EXPRESSION],
  ['code', CODE],
  ['concurrencyGroup', WORD],
  ['decision', CODE],
  ['environment', WORD],
  ['fingerprint', FINGERPRINT],
  ['holder', LEASE],
  ['id', WORD],
  ['if', EXPRESSION],
  ['key', WORD],
  ['keys', WORD],
  ['kind', CODE],
  ['listDeployments', WORD],
  ['name', WORD],
  ['needs', WORD],
  ['onFail', CODE],
  ['onInconclusive', CODE],
  ['outcome', CODE],
  ['phase', CODE],
  ['policy', CODE],
  ['predecessors', PROMOTION],
  ['promotionId', PROMOTION],
  ['queue', CODE],
  ['readMembers', WORD],
  ['reads', PATH],
  ['ref', PATH],
  ['reference', REFERENCE],
  ['requestId', ID],
  ['resource', LEASE],
  ['role', CODE],
  ['roles', CODE],
  ['runId', ID],
  ['router', WORD],
  ['schema', SCHEMA],
  ['SluiceEnvironment', WORD],
  ['SluicePromotionState', CODE],
  ['SluiceRelease', DIGEST],
  ['SluiceTenant', WORD],
  ['source', WORD],
  ['stale', WORD],
  ['standings', STANDINGS],
  ['state', CODE],
  ['status', CODE],
  ['stepId', WORD],
  ['stepIds', WORD],
  ['target', WORD],
  ['targets', WORD],
  ['TemporalChangeVersion', WORD],
  ['tenantId', WORD],
  ['traceparent', TRACE],
  ['type', TYPE],
  ['version', VERSION],
  ['wants', PATH],
  ['when', CODE],
  ['work', CODE],
  ['workflowId', WORKFLOW],
  ['strategy', CODE],
]);

/** Inputs of a step that the interpreter itself waits by: they are no hidden holder. */
const WAIT_INPUTS: ReadonlySet<string> = new Set(['seconds', 'until']);

/** Who somebody is. Renamed, the same one to the same name, for code compares them. */
export const PERSON_FIELDS: ReadonlySet<string> = new Set([
  'personId',
  'principalId',
  'requestedBy',
  'requesterPersonId',
]);

/** A promotion or a person. */
export const ORIGIN_FIELD = 'by';

/** A `name` inside of these is somebody's. */
export const PERSON_HOLDERS: ReadonlySet<string> = new Set([
  'person',
  'principal',
  'requester',
  'voter',
]);

/** True of a value of which nothing but its shape stays. */
export function isHidden(value: unknown, name: string): boolean {
  return HIDDEN_HOLDERS.has(name) && !isWait(value);
}

/** Inputs of `wait@1`: times and numbers, or where they are found. */
function isWait(inputs: unknown): boolean {
  if (typeof inputs !== 'object' || inputs === null || Array.isArray(inputs)) return false;
  const names = Object.keys(inputs);
  return names.length > 0 && names.every((name) => WAIT_INPUTS.has(name));
}

/** Whatever stands inside of these is somebody's own: names of members are replaced, and all values blanked. */
export const HIDDEN_HOLDERS: ReadonlySet<string> = new Set([
  'inputs',
  'labels',
  'memo',
  'settings',
  'upsertedMemo',
]);

/**
 * Whatever stands inside of these is read by conditions: a text keeps to which others it is equal, and nothing else, and so does the name of
 * a member. The outermost names are those that a pipeline declares, and stay.
 */
export const COMPARED_HOLDERS: ReadonlySet<string> = new Set(['parameters', 'values']);

/** Inside of these is what conditions read of the promotion itself: what stays of it stays in {@link COMPARED_HOLDERS}, too. */
export const FACT_HOLDERS: ReadonlySet<string> = new Set(['facts', 'release']);

/** Ids of Updates, `<principal>/<idempotency key>`; of their messages, `<id>/request`. */
export const UPDATE_ID_FIELDS: ReadonlySet<string> = new Set([
  'acceptedRequestMessageId',
  'approvalId',
  'inboundUpdateId',
  'protocolInstanceId',
  'rejectedRequestMessageId',
  'updateId',
]);

/** Fixed texts of the SDK and the engine. */
export const KEPT_TEXTS: ReadonlySet<string> = new Set([
  '',
  'ACTIVITY_ID_NOT_STARTED',
  'Encoded failure',
]);

/** Encodings and types of payloads. */
const METADATA = /^[A-Za-z][A-Za-z0-9_./-]{0,99}$/;

/** True for what a field of this name keeps. */
export function isKept(text: string, name: string, fields: KeptFields): boolean {
  const isLong = text.length > MAX_LENGTH && !LONG_FIELDS.has(name);
  if (isLong || ADDRESS.test(text)) return false;
  return fields.get(name)?.test(text) === true;
}

/** True for what may stand in the metadata of a payload. */
export function isMetadata(text: string): boolean {
  return METADATA.test(text);
}

/** True for what a parameter or an output may be called, or a step. */
export function isDeclaredName(name: string): boolean {
  return WORD.test(name);
}

/** True for digests and times, which say nothing of anybody wherever they stand. */
export function hasKeptForm(text: string): boolean {
  return DIGEST.test(text) || TIME.test(text);
}
