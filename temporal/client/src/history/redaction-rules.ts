/**
 * What stays in a redacted history: texts under these names and of these forms, and nothing else. A name that is not listed is
 * blanked, so that a field that comes later is hidden until somebody looks at it.
 */

/** Texts of the engine's own messages. */
export const KEPT_MESSAGE_FIELDS: ReadonlySet<string> = new Set([
  'activityId',
  'attachedRequestId',
  'baseRunId',
  'binaryChecksum',
  'buildId',
  'continuedExecutionRunId',
  'cronSchedule',
  'deploymentName',
  'firstExecutionRunId',
  'inheritedBuildId',
  'markerName',
  'name',
  'namespace',
  'namespaceId',
  'newExecutionRunId',
  'newRunId',
  'newTaskQueue',
  'nonRetryableErrorTypes',
  'normalName',
  'originalExecutionRunId',
  'parentPinnedWorkerDeploymentVersion',
  'parentWorkflowNamespace',
  'parentWorkflowNamespaceId',
  'pinnedVersion',
  'requestId',
  'runId',
  'sdkName',
  'sdkVersion',
  'seriesName',
  'signalName',
  'source',
  'timerId',
  'type',
  'workerDeploymentName',
  'workerDeploymentVersion',
  'workflowId',
]);

/** Texts in what workflows and activities are given and give. */
export const KEPT_FIELDS: ReadonlySet<string> = new Set([
  // Search attributes; the engine's own names the patches that a run took.
  'SluiceEnvironment',
  'SluicePromotionState',
  'SluiceRelease',
  'SluiceTenant',
  'TemporalChangeVersion',
  // What an activity gives that gives nothing but names of targets.
  'listDeployments',
  'code',
  'decision',
  'environment',
  'holder',
  'id',
  'kind',
  'name',
  'needs',
  'outcome',
  'predecessors',
  'promotionId',
  'reference',
  'requestId',
  'resource',
  'role',
  'roles',
  'runId',
  'schema',
  'source',
  'stale',
  'state',
  'status',
  'stepId',
  'stepIds',
  'target',
  'targets',
  'tenantId',
  'traceparent',
  'type',
  'version',
  'workflowId',
]);

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

/** Whatever stands inside of these is somebody's own: it is blanked, whatever its name. */
export const HIDDEN_HOLDERS: ReadonlySet<string> = new Set([
  'inputs',
  'labels',
  'memo',
  'settings',
]);

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

/** What a kept name may hold: an id, a code, a type. Sentences are never kept. */
const WORD = /^[!-~]{1,1000}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

/** True for what can be an id, a code or a type. */
export function isWord(text: string): boolean {
  return WORD.test(text);
}

/** True for digests and times, which say nothing of anybody wherever they stand. */
export function hasKeptForm(text: string): boolean {
  return DIGEST.test(text) || TIME.test(text);
}
