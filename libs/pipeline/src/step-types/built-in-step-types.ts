import { DomainError, type StepTypes } from '@sluice/domain';
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
import { SCAN } from './scan/scan.step-type.ts';
import { SCRIPT } from './script/script.step-type.ts';
import { SOAK } from './soak/soak.step-type.ts';
import type { StepTypeManifest } from './step-type-manifest.ts';
import { VERIFY } from './verify/verify.step-type.ts';
import { WAIT } from './wait/wait.step-type.ts';

/** Every built-in step type, in the order in which the documentation tells them. A new one is one line here. */
export const BUILT_IN_MANIFESTS: readonly StepTypeManifest[] = [
  SCAN,
  GATE,
  PLAN,
  APPROVAL,
  DEPLOY,
  VERIFY,
  SOAK,
  WAIT,
  BUILD,
  RELEASE,
  SCRIPT,
  HTTP,
  NOTIFY,
  PIPELINE,
  NOOP,
];

/** The built-in step types by `type@version`. */
export const BUILT_IN_STEP_TYPES: StepTypes = registerStepTypes(BUILT_IN_MANIFESTS);

/**
 * Step types by `type@version`, in the given order.
 * @throws DomainError `step-type-twice`
 */
export function registerStepTypes(manifests: readonly StepTypeManifest[]): StepTypes {
  const types = new Map<string, StepTypeManifest['stepType']>();
  for (const { stepType } of manifests) {
    const name = `${stepType.type}@${stepType.version}`;
    if (types.has(name)) {
      throw new DomainError(
        'step-type-twice',
        `Step type ${name} is registered twice; a change of what it takes or gives is the next version.`,
      );
    }
    types.set(name, stepType);
  }
  return types;
}
