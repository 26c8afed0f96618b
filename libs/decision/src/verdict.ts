import { DECISIONS, type DecisionOutcome, type DecisionTraceEntry } from '@sluice/domain';
import { canonicalJson } from '@sluice/pure';
import { DecisionError } from './decision-error.ts';

/** What a policy answered, in its one form: sorted, without repetition. */
export interface Verdict {
  readonly decision: DecisionOutcome;
  readonly reasonCodes: readonly string[];
  readonly trace: readonly DecisionTraceEntry[];
}

const REASON_CODE = /^[a-z][a-z0-9-]{0,63}(?::[A-Za-z0-9][A-Za-z0-9._-]{0,127})?$/;
const MAX_CODES = 1000;
const MAX_ENTRIES = 20_000;
const TEXTS = ['rule', 'source', 'finding', 'remedy'] as const;

/**
 * Checks what a policy returned and puts it into its one form (sets come back in any order).
 * @param result the raw result set of one evaluation
 * @throws DecisionError `policy-output-invalid`: nothing returned, unknown fields, an allow with reasons against
 *   it, a deny or pending without a reason code
 */
export function readVerdict(result: unknown): Verdict {
  if (!Array.isArray(result) || result.length !== 1) return fail('it returned no verdict');
  const value: unknown = (result[0] as { result?: unknown } | null)?.result;
  if (!isObject(value) || keysOf(value) !== 'decision,reasonCodes,trace') {
    return fail('the verdict must have decision, reasonCodes and trace, and nothing else');
  }
  const decision = DECISIONS.find((known) => known === value['decision']);
  if (decision === undefined) return fail('its decision is none of allow, deny and pending');
  const { reasonCodes, trace } = value;
  if (!Array.isArray(reasonCodes) || reasonCodes.length > MAX_CODES) {
    return fail(`reasonCodes must be a list of at most ${MAX_CODES}`);
  }
  if (!reasonCodes.every((code) => typeof code === 'string' && REASON_CODE.test(code))) {
    return fail('a reason code is not in kebab-case');
  }
  if (!Array.isArray(trace) || trace.length > MAX_ENTRIES || !trace.every(isEntry)) {
    return fail(`trace must be a list of at most ${MAX_ENTRIES} entries in their form`);
  }
  if ((decision === 'allow') !== (reasonCodes.length === 0)) {
    return fail(`its decision is ${decision} with ${reasonCodes.length} reason codes`);
  }
  if (decision === 'allow' && trace.some(({ result: word }) => word !== 'allow')) {
    return fail('it allows against the word of one of its rules');
  }
  return composeVerdict(decision, reasonCodes, trace);
}

/** A verdict in its one form: codes and entries sorted by code unit, each once. */
export function composeVerdict(
  decision: DecisionOutcome,
  reasonCodes: readonly string[],
  trace: readonly DecisionTraceEntry[],
): Verdict {
  const entries = new Map(
    trace.map(({ rule, source, result, finding, remedy }) => {
      const key = canonicalJson([rule, source, result, finding, remedy]);
      return [key, { rule, source, result, finding, remedy }];
    }),
  );
  return {
    decision,
    reasonCodes: [...new Set(reasonCodes)].sort(),
    trace: [...entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry),
  };
}

function isEntry(value: unknown): value is DecisionTraceEntry {
  return (
    isObject(value) &&
    keysOf(value) === 'finding,remedy,result,rule,source' &&
    DECISIONS.some((known) => known === value['result']) &&
    TEXTS.every((field) => typeof value[field] === 'string' && value[field].length <= 16_384)
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function keysOf(value: object): string {
  return Object.keys(value).sort().join();
}

function fail(what: string): never {
  throw new DecisionError(
    'policy-output-invalid',
    `The policy's answer cannot be used: ${what}. Nothing was decided; correct the policy.`,
  );
}
