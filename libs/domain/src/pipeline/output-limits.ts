/** Typed outputs of one execution of a step, together. Bytes of canonical JSON; more of them fail the step. */
export const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;

/**
 * Of those, what the records hold themselves, and what conditions may read. Bytes of canonical JSON. What is beyond it lies in the evidence
 * store, each output as a whole, and the records name it by digest.
 */
export const MAX_INLINE_BYTES = 64 * 1024;
