// Made of the folders by `node infra/build/step-registries.mjs`, which the build runs too; not to be edited.
import { APPROVAL_STORIES } from './approval/approval.story.ts';
import { BUILD_STORIES } from './build/build.story.ts';
import { DEPLOY_STORIES } from './deploy/deploy.story.ts';
import { GATE_STORIES } from './gate/gate.story.ts';
import { HTTP_STORIES } from './http/http.story.ts';
import { NOOP_STORIES } from './noop/noop.story.ts';
import { NOTIFY_STORIES } from './notify/notify.story.ts';
import { PIPELINE_STORIES } from './pipeline/pipeline.story.ts';
import { PLAN_STORIES } from './plan/plan.story.ts';
import { RELEASE_STORIES } from './release/release.story.ts';
import { ROLLOUT_STORIES } from './rollout/rollout.story.ts';
import { SCAN_STORIES } from './scan/scan.story.ts';
import { SCRIPT_STORIES } from './script/script.story.ts';
import { SOAK_STORIES } from './soak/soak.story.ts';
import { VERIFY_STORIES } from './verify/verify.story.ts';
import { WAIT_STORIES } from './wait/wait.story.ts';
import type { StepStory } from './step-story.ts';

/** How every step type that has a folder here is brought to the middle of its work, by the name of its file. */
export const STEP_STORIES: readonly StepStory[] = [
  ...APPROVAL_STORIES,
  ...BUILD_STORIES,
  ...DEPLOY_STORIES,
  ...GATE_STORIES,
  ...HTTP_STORIES,
  ...NOOP_STORIES,
  ...NOTIFY_STORIES,
  ...PIPELINE_STORIES,
  ...PLAN_STORIES,
  ...RELEASE_STORIES,
  ...ROLLOUT_STORIES,
  ...SCAN_STORIES,
  ...SCRIPT_STORIES,
  ...SOAK_STORIES,
  ...VERIFY_STORIES,
  ...WAIT_STORIES,
];
