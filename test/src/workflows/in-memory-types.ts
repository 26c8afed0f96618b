/** Activities by their types. What one throws is a fault of the test, unless it is a failure that is not retried. */
export type Activities = Readonly<Record<string, (input: never) => Promise<unknown>>>;

/** A run that has come to its end. */
export interface EndedRun {
  readonly workflowId: string;
  readonly type: string;
  readonly events: number;
  /** Bytes of all payloads, and some for each event. */
  readonly bytes: number;
  readonly status: 'completed' | 'continued-as-new';
}

/** How a workflow is spoken to while it runs. */
export interface RunningWorkflow {
  signal(name: string, input: unknown): void;
  /** Gives the answer. @throws Error with the refusal's `type` */
  update(id: string, name: string, input: unknown): Promise<unknown>;
}

/** Runs workflows to their ends. */
export interface InMemoryEngine {
  /**
   * @param meanwhile told of the first run as soon as it is there
   * @returns what the last run gave, and all runs, those of children too, in the order of their ends
   */
  execute(
    type: string,
    workflowId: string,
    input: unknown,
    meanwhile?: (running: RunningWorkflow) => void,
  ): Promise<{ readonly result: unknown; readonly runs: readonly EndedRun[] }>;
  close(): Promise<void>;
}
