import type { WorkflowRunStatus } from '@sluice/domain';
import type { BuildName } from './bisect.ts';
import type { SourcePosition } from './source-position.ts';

/** The first place where code does something else than a history says. */
export interface Mismatch {
  /** Number of the history's event. */
  readonly event: number;
  readonly eventType: string;
  /** What the history has there, in words; `nothing` where it has no command. */
  readonly expected: string;
  /** What the code gave instead, in words; `nothing` where it gave no command. */
  readonly actual: string;
  /** Step of the pipeline. */
  readonly step: string | null;
  readonly target: string | null;
  /** The line that gave the actual command; null where it gave none. */
  readonly source: SourcePosition | null;
  /** The lines that led there, innermost first. */
  readonly callers: readonly SourcePosition[];
  /** What the engine's library says. */
  readonly message: string;
  readonly brokenBy: BuildName | 'unknown';
}

/** An argument that code gives another value than was recorded; replay itself does not look at these. */
export interface ChangedInput {
  readonly event: number;
  /** Activity type, or `timer`, or `result` for what the workflow gave back. */
  readonly activity: string;
  readonly step: string | null;
  /** Where in the arguments, such as `0.inputDigests.rules`; `seconds` of a timer. */
  readonly path: string;
  readonly recorded: unknown;
  readonly now: unknown;
}

/** What replaying one file came to. */
export interface ReplayResult {
  /** As it was named, or found in a folder that was. */
  readonly file: string;
  /** Null, as what follows, where the file could not be read. */
  readonly workflowId: string | null;
  readonly runId: string | null;
  readonly workflowType: string | null;
  readonly status: WorkflowRunStatus | 'running' | null;
  /** How many events the history has. */
  readonly events: number;
  readonly outcome: 'deterministic' | 'mismatch' | 'unreadable';
  readonly seconds: number;
  readonly mismatch?: Mismatch;
  /** Only where they were asked for. */
  readonly inputs?: readonly ChangedInput[];
  /** Why it could not be read or replayed; only of an unreadable one. */
  readonly problem?: { readonly code: string; readonly message: string };
}

/** The whole run: what `--format json` prints. */
export interface ReplayReport {
  readonly schema: 'sluice.replay/v1';
  readonly bundle: { readonly digest: string; readonly buildId: string };
  readonly workers: number;
  readonly seconds: number;
  readonly histories: number;
  readonly events: number;
  readonly deterministic: number;
  readonly mismatched: number;
  /** Files that could not be read or replayed. */
  readonly failed: number;
  /** Histories with at least one changed input; null where inputs were not compared. */
  readonly inputsChanged: number | null;
  /** Resident memory of all its processes at their largest. Bytes. */
  readonly peakMemoryBytes: number;
  readonly results: readonly ReplayResult[];
}
