/** UTF-16 units of one expression: longer ones are refused before they are read. */
export const MAX_CEL_LENGTH = 4096;

/** Nodes of one expression. */
export const MAX_CEL_NODES = 1000;

/** Nodes within nodes, and parentheses within parentheses. It keeps every recursion far from the end of the stack. */
export const MAX_CEL_DEPTH = 100;

/**
 * Lists and maps within lists and maps that an expression itself builds. The library keeps a type for each shape that it has met, as
 * long as the process lives: this bounds how many there can be.
 */
export const MAX_CEL_NESTING = 5;

/**
 * Steps that one evaluation may take at most, as `costOfCel` reckons them: a step is about the work of one node of the tree. So many take
 * about half a second of a processor, where a workflow task may take five.
 */
export const MAX_CEL_COST = 5_000_000;

/** Steps for each value that an expression reads: what it takes to take it over. */
export const CEL_STEPS_PER_VALUE = 8;

/** Lists and objects within lists and objects in the values that an expression reads. */
export const MAX_CEL_VALUE_DEPTH = 32;
