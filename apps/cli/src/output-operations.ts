/** GraphQL operations around what steps gave, and what they select. */

const OUTPUT = `
  fragment OutputFields on StepOutput {
    name value digest bytes
  }`;

/** These operations, by name. */
export const OUTPUT_OPERATIONS = {
  stepOutputs: `query StepOutputs($promotion: ID!, $step: ID!, $member: String) {
    stepOutputs(promotion: $promotion, step: $step, member: $member) { ...OutputFields }
  } ${OUTPUT}`,
  stepOutput: `query StepOutput($promotion: ID!, $step: ID!, $name: String!, $member: String, $offset: Int) {
    stepOutput(promotion: $promotion, step: $step, name: $name, member: $member, offset: $offset) {
      offset text nextOffset isEnd problem { code message }
      output { name digest bytes }
    }
  }`,
} as const;

/** An output as the operations select it. */
export interface StepOutputView {
  readonly name: string;
  /** Null where it is kept by its digest; not there beside a page. */
  readonly value?: unknown;
  readonly digest: string | null;
  readonly bytes: number;
}

/** A piece of an output. */
export interface StepOutputPageView {
  readonly offset: number;
  readonly text: string | null;
  readonly nextOffset: number;
  readonly isEnd: boolean;
  readonly problem: { readonly code: string; readonly message: string } | null;
  readonly output: StepOutputView;
}
