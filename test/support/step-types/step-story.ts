import type { JsonValue, PipelineTemplate, StepTemplate } from '@sluice/domain';
import type { StepStage } from './step-stage.ts';

/** What is done while a step runs: a process is killed with -9, the promotion is cancelled, or both. */
export const STEP_FAULTS = [
  'worker',
  'cancel',
  'engine',
  'cancel-and-worker',
  'api',
  'signer',
  'agent',
] as const;

/** One of {@link STEP_FAULTS}. */
export type StepFault = (typeof STEP_FAULTS)[number];

/** What every step meets; the other faults only those steps whose work needs that process. */
export const COMMON_FAULTS: readonly StepFault[] = [
  'worker',
  'cancel',
  'engine',
  'cancel-and-worker',
];

/** How a promotion is to end. */
export interface StoryEnd {
  readonly state: string;
  /** Code of the promotion's reason; null for none. */
  readonly code: string | null;
}

/**
 * A small pipeline of a team, and how it is brought to stand in the middle of one of its steps. Each has an environment of its own,
 * of its own name, so that its promotions are numbered from 1.
 */
export interface StepStory {
  /** Of environment and pipeline. */
  readonly name: string;
  /** The type that it is about: `scan@1`. */
  readonly type: string;
  /** The step that runs when the fault comes; of a sub-pipeline the step in its place. */
  readonly step: string;
  /** Its steps; one more that needs the last of them is added. */
  steps(room: StoryRoom): readonly StepTemplate[];
  /** A pipeline that it contains. */
  inner?(room: StoryRoom): PipelineTemplate;
  /** Names of parameters, all texts. */
  readonly parameters?: readonly string[];
  /** Processes beside worker and engine that its step works through. */
  readonly needs: readonly ('api' | 'signer' | 'agent')[];
  /** True where an agent carries out what it does. */
  readonly hasAgent?: true;
  /** Settings of its target. */
  settings?(room: StoryRoom): Readonly<Record<string, string>>;
  /** True where people are asked. */
  readonly isApproved?: true;
  /** Time passes in it by itself: it is begun when all others stand. */
  readonly isLate?: true;
  /** True where it stands in something that a cancellation waits for. */
  readonly isLetGoWhenCancelled?: true;
  /** Before the promotion is asked for. */
  prepare?(stage: StepStage, promotion: string): Promise<void>;
  /** What the promotion is asked for with, beside its environment. */
  request?(
    stage: StepStage,
    turn: number,
  ): { readonly release?: string; readonly parameters?: Readonly<Record<string, JsonValue>> };
  /** Waits until the step is in its middle. */
  stand(stage: StepStage, promotion: string): Promise<void>;
  /** Right before the fault. */
  atFault?(stage: StepStage, promotion: string): Promise<void>;
  /** Lets the step come to its end. */
  letGo?(stage: StepStage, promotion: string): Promise<void>;
  /** Takes away what still holds, after the end. */
  clear?(stage: StepStage): Promise<void>;
  /** Where it ends otherwise than others. */
  end?(fault: StepFault): StoryEnd | undefined;
  /** What its effects, as the world saw them, contradict; of a promotion that has ended. */
  findProblems?(stage: StepStage, promotion: string, fault: StepFault): Promise<readonly string[]>;
  /** What stands in the environment of every process of its own; none when absent. */
  processMark?(promotion: string): string;
  /** True where the step writes a log. */
  readonly hasLog?: true;
}

/** What is known before the stack starts, for what stands in pipelines. */
export interface StoryRoom {
  /** Where requests are received: `http://127.0.0.1:<port>`. */
  readonly receiverUrl: string;
  readonly receiverPort: number;
  /** A file in which steps look whether they go on: while it is there, they do not. Scripts see it too. */
  holdFile(name: string): string;
}

/** Faults that a story meets. */
export function faultsOf({ needs }: StepStory): readonly StepFault[] {
  return STEP_FAULTS.filter(
    (fault) => COMMON_FAULTS.includes(fault) || (needs as readonly string[]).includes(fault),
  );
}

/** True for faults that end the promotion. */
export function isCancelling(fault: StepFault): boolean {
  return fault === 'cancel' || fault === 'cancel-and-worker';
}

/** True for faults that take the worker's attempts away. */
export function killsWorker(fault: StepFault): boolean {
  return fault === 'worker' || fault === 'cancel-and-worker';
}
