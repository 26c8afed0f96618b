// Made of the folders by `node infra/build/step-registries.mjs`, which the build runs too; not to be edited.
import { APPROVAL } from './approval/approval.step-type.ts';
import { BUILD } from './build/build.step-type.ts';
import { DEPLOY } from './deploy/deploy.step-type.ts';
import { GATE } from './gate/gate.step-type.ts';
import { HTTP } from './http/http.step-type.ts';
import { NOOP } from './noop/noop.step-type.ts';
import { NOTIFY } from './notify/notify.step-type.ts';
import { PIPELINE } from './pipeline/pipeline.step-type.ts';
import { PLAN } from './plan/plan.step-type.ts';
import { RELEASE } from './release/release.step-type.ts';
import { ROLLOUT } from './rollout/rollout.step-type.ts';
import { SCAN } from './scan/scan.step-type.ts';
import { SCRIPT } from './script/script.step-type.ts';
import { SOAK } from './soak/soak.step-type.ts';
import { VERIFY } from './verify/verify.step-type.ts';
import { WAIT } from './wait/wait.step-type.ts';
import type { StepTypeManifest } from './step-type-manifest.ts';

/** The manifest of every step type that has a folder here, by the name of its file. */
export const STEP_TYPE_MANIFESTS: readonly StepTypeManifest[] = [
  APPROVAL,
  BUILD,
  DEPLOY,
  GATE,
  HTTP,
  NOOP,
  NOTIFY,
  PIPELINE,
  PLAN,
  RELEASE,
  ROLLOUT,
  SCAN,
  SCRIPT,
  SOAK,
  VERIFY,
  WAIT,
];
