// Made of the folders by `node infra/build/step-registries.mjs`, which the build runs too; not to be edited.
import { BUILD_FIXTURE } from '../build/build.fixture.ts';
import { DEPLOY_FIXTURE } from '../deploy/deploy.fixture.ts';
import { GATE_FIXTURE } from '../gate/gate.fixture.ts';
import { HTTP_FIXTURE } from '../http/http.fixture.ts';
import { NOOP_FIXTURE } from '../noop/noop.fixture.ts';
import { NOTIFY_FIXTURE } from '../notify/notify.fixture.ts';
import { PLAN_FIXTURE } from '../plan/plan.fixture.ts';
import { RELEASE_FIXTURE } from '../release/release.fixture.ts';
import { ROLLOUT_FIXTURE } from '../rollout/rollout.fixture.ts';
import { SCAN_FIXTURE } from '../scan/scan.fixture.ts';
import { SCRIPT_FIXTURE } from '../script/script.fixture.ts';
import { SOAK_FIXTURE } from '../soak/soak.fixture.ts';
import { VERIFY_FIXTURE } from '../verify/verify.fixture.ts';
import type { StepFixture } from './step-fixture.ts';

/** How the conformance kit runs every step type that has a folder, by the name of its file. */
export const STEP_FIXTURES: readonly StepFixture[] = [
  BUILD_FIXTURE,
  DEPLOY_FIXTURE,
  GATE_FIXTURE,
  HTTP_FIXTURE,
  NOOP_FIXTURE,
  NOTIFY_FIXTURE,
  PLAN_FIXTURE,
  RELEASE_FIXTURE,
  ROLLOUT_FIXTURE,
  SCAN_FIXTURE,
  SCRIPT_FIXTURE,
  SOAK_FIXTURE,
  VERIFY_FIXTURE,
];
