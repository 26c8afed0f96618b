/** A text with all that must be said about it. */
export interface FaultyPipeline {
  readonly title: string;
  /** What stands before it is {@link HEAD}, unless it begins with `schema` or is no object. */
  readonly text: string;
  /** `line:column code path → suggestion`, in this order; warnings begin with `?`. */
  readonly problems: readonly string[];
  readonly deadlineSeconds?: number;
  readonly parameters?: Readonly<Record<string, unknown>>;
}

/** The first lines of a pipeline: its steps begin on line 4. */
export const HEAD = 'schema: sluice.pipeline/v2\nname: sample\nversion: 1\n';

/** The whole text. */
export function textOf({ text }: Pick<FaultyPipeline, 'text'>): string {
  return /^(?:steps|extends|parameters|environments|failFast):/.test(text) ? HEAD + text : text;
}
