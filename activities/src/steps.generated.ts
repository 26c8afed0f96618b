// Made of the folders by `node infra/build/step-registries.mjs`, which the build runs too; not to be edited.
import { createBuildStep } from './build/build.step.ts';
import { createDeployStep } from './deploy/deploy.step.ts';
import { createGateStep } from './gate/gate.step.ts';
import { createHttpStep } from './http/http.step.ts';
import { createNoopStep } from './noop/noop.step.ts';
import { createNotifyStep } from './notify/notify.step.ts';
import { createPlanStep } from './plan/plan.step.ts';
import { createReleaseStep } from './release/release.step.ts';
import { createRolloutStep } from './rollout/rollout.step.ts';
import { createScanStep } from './scan/scan.step.ts';
import { createScriptStep } from './script/script.step.ts';
import { createSoakStep } from './soak/soak.step.ts';
import { createVerifyStep } from './verify/verify.step.ts';
import type { StepTypeRef } from '@sluice/domain';
import type { StepTypeParts } from './step/capability-parts.ts';
import type { StepType } from './step/step-type.ts';

/** What builds every step type that has a folder here, by the name of its file. */
export const STEP_CREATORS: readonly (readonly [
  StepTypeRef,
  (parts: StepTypeParts) => StepType,
])[] = [
  ['build@1', createBuildStep],
  ['deploy@1', createDeployStep],
  ['gate@1', createGateStep],
  ['http@1', createHttpStep],
  ['noop@1', createNoopStep],
  ['notify@1', createNotifyStep],
  ['plan@1', createPlanStep],
  ['release@1', createReleaseStep],
  ['rollout@1', createRolloutStep],
  ['scan@1', createScanStep],
  ['script@1', createScriptStep],
  ['soak@1', createSoakStep],
  ['verify@1', createVerifyStep],
];
