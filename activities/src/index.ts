export { type ActivityScope, currentActivityScope, withHeartbeats } from './activity-scope.ts';
export { type ActivitiesByQueue, createActivities, listStepTypes } from './create-activities.ts';
export type { ActivityDependencies } from './dependencies.ts';
export { composeCommandPayload, composePlanPayload, sideOf } from './deploy/command-payload.ts';
export { type ReportedActivity, settleReportedActivity } from './deploy/settle-command.ts';
export { PACKET_MEDIA_TYPE } from './evidence/seal.activities.ts';
export { activityFailure } from './failures.ts';
export type { DecisionEngine } from './gate/decision-engine.ts';
export { composeGateInput, GATE_INPUT_SCHEMA, type GateInput } from './gate/gate-input.ts';
export { findDesiredSide } from './plan/target-sides.ts';
export { type EndedHolder, releaseLeaseOfEnded } from './records/lease.activities.ts';
export { DEFAULT_SUPERSEDE_GRACE_SECONDS } from './records/preempt-lease.ts';
export {
  FINDINGS_SCHEMA,
  type Findings,
  type MisconfigurationFinding,
  type SecretFinding,
} from './scan/findings.ts';
export type { ImageScan, ImageScanner, ScannableImage } from './scan/image-scanner.ts';
export { normaliseSbom, type SbomIdentity } from './scan/sbom-normal-form.ts';
export { TrivyImageScanner, type TrivySettings } from './scan/trivy-image-scanner.ts';
export { commandKey, effectKey, REVERT_STEP, stepOfCommand } from './step/effect-key.ts';
export {
  failedResult,
  type StepOutcome,
  type StepRun,
  type StepType,
  succeededResult,
} from './step/step-type.ts';
export { type Fetch, healthUrl, type ProbeResult, probeHealth } from './verify/http-probe.ts';
