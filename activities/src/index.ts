export { type ActivityScope, currentActivityScope, withHeartbeats } from './activity-scope.ts';
export {
  type ConfiguredProviders,
  createConfiguredProviders,
} from './analysis/analysis-providers.ts';
export type { ConfiguredProvider } from './analysis/provider-access.ts';
export { PROVIDERS_SCHEMA, readProviderFile } from './analysis/provider-file.ts';
export { type ActivitiesByQueue, createActivities, listStepTypes } from './create-activities.ts';
export type { ActivityDependencies } from './dependencies.ts';
export { composeCommandPayload, composePlanPayload, sideOf } from './deploy/command-payload.ts';
export { type ReportedActivity, settleReportedActivity } from './deploy/settle-command.ts';
export { PACKET_MEDIA_TYPE } from './evidence/seal.activities.ts';
export { activityFailure } from './failures.ts';
export type { DecisionEngine } from './gate/decision-engine.ts';
export { composeGateInput, GATE_INPUT_SCHEMA, type GateInput } from './gate/gate-input.ts';
export { CHANNELS_SCHEMA, readChannelFile } from './notify/channel-file.ts';
export {
  createNotifyChannels,
  type NotifyChannel,
  type NotifyChannels,
} from './notify/notify-channels.ts';
export { type HostRules, parseHostRules } from './outbound/host-rules.ts';
export { createOutboundClients, type OutboundClients } from './outbound/outbound-clients.ts';
export { findDesiredSide } from './plan/target-sides.ts';
export { type EndedHolder, releaseLeaseOfEnded } from './records/lease.activities.ts';
export { DEFAULT_SUPERSEDE_GRACE_SECONDS } from './records/preempt-lease.ts';
export {
  type ComposedRoute,
  composeRoute,
  type RouteAnswer,
  serversOf,
  type WantedRoute,
} from './route/compose-route.ts';
export { composeRoutePayload } from './route/dispatch-route.ts';
export { readSteadyRoute } from './route/route-facts.ts';
export { isPuttingBack, parseRouteKey, type RouteKey, routeKey } from './route/route-key.ts';
export {
  FINDINGS_SCHEMA,
  type Findings,
  type MisconfigurationFinding,
  type SecretFinding,
} from './scan/findings.ts';
export type { ImageScan, ImageScanner, ScannableImage } from './scan/image-scanner.ts';
export { normaliseSbom, type SbomIdentity } from './scan/sbom-normal-form.ts';
export { TrivyImageScanner, type TrivySettings } from './scan/trivy-image-scanner.ts';
export {
  createHostSandbox,
  type ScriptNetwork,
  type ScriptSandbox,
} from './script/script-sandbox.ts';
export {
  createFolderSecrets,
  describePlaces,
  listMisplacedSecrets,
} from './secrets/folder-secrets.ts';
export type { SecretReader, SecretSource } from './secrets/secret-source.ts';
export { commandKey, effectKey, REVERT_STEP, stepOfCommand } from './step/effect-key.ts';
export { type FrozenCourses, frozenCoursesOf } from './step/frozen-course.ts';
export { makeStepFolder } from './step/step-folder.ts';
export {
  failedResult,
  type StepOutcome,
  type StepRun,
  type StepType,
  succeededResult,
} from './step/step-type.ts';
export { type Fetch, healthUrl, type ProbeResult, probeHealth } from './verify/http-probe.ts';
