import type { Decision } from '@sluice/domain';
import { canonicalJson, determinismHash, digestOfBytes } from '@sluice/pure';
import { DecisionError } from './decision-error.ts';
import { loadPolicyBundle, type PolicyBundle, type RequiredInput } from './policy-bundle.ts';
import { createThreadPool } from './thread-pool.ts';
import { composeVerdict, readVerdict, type Verdict } from './verdict.ts';

/** What stands as `evaluatedAt` in the denial of an input that has none. */
export const UNKNOWN_INSTANT = '1970-01-01T00:00:00Z';

/** Longest that one evaluation may take where the caller names nothing else. */
export const DEFAULT_DEADLINE_MS = 5000;

const MAX_INPUT_BYTES = 32 * 1024 * 1024;
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/;

/** One question to a policy. */
export interface DecisionRequest {
  /** The policy that must answer; absent means whichever this engine has. */
  readonly policyDigest?: string;
  /** JSON; `evaluatedAt` (RFC 3339) is a part of it. */
  readonly input: object;
  readonly deadlineMs?: number;
}

/** Evaluates one policy bundle in threads of its own. */
export interface DecisionEngine {
  readonly policyDigest: string;
  /**
   * The same policy and input give the same decision, byte for byte, whatever the order of keys. An input that is
   * missing is a deny with `input-missing:<name>`; whatever keeps the policy from answering is an error, never
   * a decision.
   * @throws DecisionError
   */
  evaluate(request: DecisionRequest): Promise<Decision>;
  /** Ends the threads. */
  close(): Promise<void>;
}

/**
 * Loads and verifies the bundle, and makes the pool (threads start at the first question).
 * @param options.poolSize threads; 2 where nothing is given
 * @throws DecisionError `policy-missing`, `policy-corrupt`, `policy-digest-mismatch`
 */
export async function createDecisionEngine(options: {
  readonly policyDir: string;
  readonly poolSize?: number;
  readonly deadlineMs?: number;
}): Promise<DecisionEngine> {
  const bundle = await loadPolicyBundle(options.policyDir);
  const pool = createThreadPool({
    script: new URL('../thread/policy-thread.mjs', import.meta.url),
    size: Math.max(1, options.poolSize ?? 2),
    data: { wasm: bundle.wasm, entrypoint: bundle.manifest.entrypoint },
  });
  const fallbackMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS;

  return {
    policyDigest: bundle.policyDigest,
    close: () => pool.close(),
    async evaluate({ input, policyDigest = bundle.policyDigest, deadlineMs = fallbackMs }) {
      if (policyDigest !== bundle.policyDigest) {
        throw new DecisionError(
          'policy-missing',
          `Policy ${policyDigest} is not here; ${options.policyDir} holds ${bundle.policyDigest}. ` +
            'Put the wanted bundle there, or start a promotion under the present one.',
        );
      }
      const text = inputText(input);
      const missing = listMissingInputs(input, bundle.manifest.requiredInputs);
      const verdict =
        missing.length > 0
          ? denyMissing(missing, bundle)
          : readVerdict(await pool.run(text, deadlineMs));
      return composeDecision(verdict, bundle.policyDigest, digestOfBytes(text), input);
    },
  };
}

/** Names of required inputs that are not there or not of their type, sorted. */
export function listMissingInputs(
  input: object,
  required: readonly RequiredInput[],
): readonly string[] {
  return required
    .filter(({ name, type }) => {
      const value: unknown = (input as Record<string, unknown>)[name];
      if (name === 'evaluatedAt') return !isInstant(value);
      if (type === 'string') return typeof value !== 'string' || value === '';
      return typeof value !== 'object' || value === null || Array.isArray(value);
    })
    .map(({ name }) => name)
    .sort();
}

/** The same words as the policy's own rule, so that both ways give the same bytes. */
function denyMissing(missing: readonly string[], { manifest }: PolicyBundle): Verdict {
  return composeVerdict(
    'deny',
    missing.map((name) => `input-missing:${name}`),
    missing.map((name) => ({
      rule: 'required-input',
      source: manifest.requiredInputSource,
      result: 'deny',
      finding: `The input ${name} is missing or not understood.`,
      remedy: 'Run the scan again and promote again: a gate never decides without its evidence.',
    })),
  );
}

function composeDecision(
  { decision, reasonCodes, trace }: Verdict,
  policyDigest: string,
  inputDigest: string,
  input: object,
): Decision {
  const { evaluatedAt } = input as { evaluatedAt?: unknown };
  return {
    decision,
    reasonCodes,
    policyDigest,
    inputDigest,
    determinismHash: determinismHash({ decision, reasonCodes, policyDigest, inputDigest }),
    evaluatedAt: isInstant(evaluatedAt) ? evaluatedAt : UNKNOWN_INSTANT,
    trace,
  };
}

function inputText(input: object): string {
  let text: string;
  try {
    text = canonicalJson(input);
  } catch (error) {
    throw new DecisionError('decision-input-invalid', 'The input of a decision is no JSON.', error);
  }
  if (!text.startsWith('{') || Buffer.byteLength(text) > MAX_INPUT_BYTES) {
    const what = `The input of a decision must be an object of at most ${MAX_INPUT_BYTES} bytes.`;
    throw new DecisionError('decision-input-invalid', what);
  }
  return text;
}

function isInstant(value: unknown): value is string {
  return typeof value === 'string' && INSTANT.test(value) && !Number.isNaN(Date.parse(value));
}
