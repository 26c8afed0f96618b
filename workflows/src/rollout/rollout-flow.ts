import type { CourseStep, RolloutLayout } from '@sluice/domain';
import type { Reason } from '@sluice/temporal-contract';
import type { CourseRun } from '../course/course-run.ts';
import type { MatrixTally } from '../course/matrix-outcome.ts';
import type { MemberRange } from '../course/matrix-shards.ts';
import type { Members } from '../course/matrix-step.ts';
import type { Execution } from '../course/member-execution.ts';
import type { RolloutRecords } from './rollout-records.ts';
import type { RolloutRun } from './rollout-run.ts';
import type { RolloutTraffic } from './rollout-traffic.ts';

/** What people steer. */
export interface SteeredRollout {
  readonly rollout: RolloutRun;
  readonly records: RolloutRecords;
}

/** All that the running of one rollout needs. */
export interface RolloutFlow extends SteeredRollout {
  readonly course: CourseRun;
  readonly step: CourseStep;
  readonly execution: Execution;
  readonly expanded: Members;
  readonly layout: RolloutLayout;
  readonly traffic: RolloutTraffic;
  /** What the members came to so far. */
  readonly tallies: { all: MatrixTally };
  /** Members that have not begun. */
  left: readonly MemberRange[];
  /** A member did not succeed: what follows from that at once. */
  noteFailure(): void;
}

/** Something that a stage could not do. */
export interface Trouble {
  readonly reason: Reason;
  /** What follows. */
  readonly then: 'revert' | 'pause';
  /** A target failed, and is not tried again. */
  readonly isStuck?: boolean;
}
