import {
  findInputFaults,
  inputForm,
  type JsonValue,
  type ResolvedStep,
  type StepType as StepManifest,
} from '@sluice/domain';
import type { EvidenceStore } from '@sluice/evidence-store';
import {
  findMember,
  type GivenDigests,
  listMembersOfKey,
  listStepsById,
  type MemberRecord,
  type Tx,
} from '@sluice/persistence';
import { BUILT_IN_STEP_TYPES } from '@sluice/pipeline';
import {
  findInputReads,
  type PipelineScope,
  resolveInputs,
  type WiringProblem,
} from '@sluice/pure';
import {
  type ExecuteStepInput,
  FAILURES,
  type FrozenRules,
  type StepResult,
} from '@sluice/temporal-contract';
import { activityFailure } from '../failures.ts';
import type { FrozenPromotion, FrozenStep } from './frozen-course.ts';
import { findLargeValueCode, isLargerThan, MAX_READ_BYTES } from './large-values.ts';
import { readScope } from './step-scope.ts';
import { failedResult } from './step-type.ts';

/** Everything of an execution in form 3 that is known before it runs. */
export interface PreparedStep {
  readonly resolved: ResolvedStep;
  readonly manifest: StepManifest;
  readonly member: CheckedMember | undefined;
  /** Found and checked; a secret is `{secret: name}`. Those of an execution that cannot run are empty. */
  readonly inputs: Readonly<Record<string, JsonValue>>;
  /** Digests that the steps gave which this one needs, as `<step>.<output>`. */
  readonly digests: Readonly<Record<string, string>>;
  /** Why it cannot run. */
  readonly refusal: StepResult | undefined;
}

/** Faults of inputs that one refusal tells. */
const TOLD_FAULTS = 5;

/** The member that an execution is of. */
type CheckedMember = Pick<MemberRecord, 'index' | 'key' | 'target' | 'value'>;

/** {@link checkMember} of the member that the records have. */
export async function checkExecution(
  tx: Tx,
  input: ExecuteStepInput,
  step: FrozenStep,
): Promise<CheckedExecution> {
  const { stepId, promotion, round, member } = input;
  const set = { promotionId: promotion.promotionId, stepId, round: round ?? 1 };
  return checkMember(input, step, member && (await findMember(tx, set, member.key)));
}

/** What an execution is of. */
export interface CheckedExecution {
  readonly manifest: StepManifest;
  readonly member: CheckedMember | undefined;
}

/**
 * The type and the member that an execution is of, checked against what was frozen.
 * @param found the member that the records have by its key
 * @throws ApplicationFailure `InvalidInput` where step, type, member and target do not belong together
 */
export function checkMember(
  { type, version, stepId, promotion: { promotionId }, target, member }: ExecuteStepInput,
  { resolved, course }: FrozenStep,
  found: CheckedMember | undefined,
): CheckedExecution {
  const manifest = BUILT_IN_STEP_TYPES.get(resolved.type);
  if (resolved.type !== `${type}@${version}` || manifest === undefined) {
    throw invalid(`Step ${stepId} is of type ${resolved.type}, and ${type}@${version} was to run.`);
  }
  if ((course.matrix !== undefined) !== (member !== undefined)) {
    const without = member === undefined ? 'without' : 'with';
    throw invalid(`Step ${stepId} of ${promotionId} came ${without} a member of its matrix.`);
  }
  if (member === undefined) {
    if (target === undefined) return { manifest, member: undefined };
    throw invalid(
      `Step ${stepId} of ${promotionId} came with target ${target}, and has no matrix.`,
    );
  }
  if (found?.index !== member.index || (found.target ?? undefined) !== target) {
    throw invalid(
      `Step ${stepId} of ${promotionId} has no member ${member.index} called ${member.key}${target === undefined ? '' : ` on ${target}`}.`,
    );
  }
  return { manifest, member: found };
}

/**
 * Finds the inputs of an execution and checks them. What no retry mends is a refusal, never thrown.
 * @param given digests of the steps that it needs; looked up when absent
 */
export async function prepareStep(
  tx: Tx,
  evidence: EvidenceStore,
  frozen: FrozenPromotion,
  { resolved, course }: FrozenStep,
  checked: CheckedExecution,
  given?: readonly GivenDigests[],
): Promise<PreparedStep> {
  const { manifest, member } = checked;
  const { promotion, rules } = frozen;
  const { promotionId } = promotion;
  const needs = given ?? (await listStepsById(tx, promotionId, course.needs));
  const digests = await readDigests(tx, promotionId, rules, needs, member);
  const found = { resolved, manifest, member, digests };
  const scope = await readScopeOf(tx, evidence, frozen, resolved, member);
  const answer = scope.ok ? resolveInputs(resolved.inputs, scope.scope) : scope;
  if (!answer.ok) {
    const refusal = failedResult(answer.code, `Step ${resolved.id}: ${answer.message}`);
    return { ...found, inputs: {}, refusal };
  }
  // More could not be read again where the step is put back.
  if (isLargerThan(MAX_READ_BYTES, answer.inputs)) {
    const message = `Step ${resolved.id} was given inputs of over ${MAX_READ_BYTES} bytes together, which is the most that one execution takes. Read less of what other steps give, or have them give what is large as an artifact, by digest.`;
    return { ...found, inputs: {}, refusal: failedResult('inputs-too-large', message) };
  }
  const faults = faultsOf(manifest, resolved, answer.inputs);
  if (faults.length === 0) return { ...found, inputs: answer.inputs, refusal: undefined };
  const more = faults.length > TOLD_FAULTS ? ` And ${faults.length - TOLD_FAULTS} more.` : '';
  const message = `Step ${resolved.id} was given what ${resolved.type} does not take: ${faults.slice(0, TOLD_FAULTS).join(' ')}${more} Mend the pipeline, or the step that gives this.`;
  return { ...found, inputs: {}, refusal: failedResult('input-invalid', message) };
}

/** What the records do not hold any more as it was is a refusal like any other. */
async function readScopeOf(
  tx: Tx,
  evidence: EvidenceStore,
  frozen: FrozenPromotion,
  { inputs }: ResolvedStep,
  member: CheckedMember | undefined,
): Promise<{ readonly ok: true; readonly scope: PipelineScope } | WiringProblem> {
  try {
    const reads = findInputReads(inputs);
    return { ok: true, scope: await readScope(tx, evidence, frozen, reads, member?.value) };
  } catch (error) {
    const code = findLargeValueCode(error);
    if (code === undefined) throw error;
    return { ok: false, code, message: (error as Error).message };
  }
}

function faultsOf(
  manifest: StepManifest,
  { inputs: wired }: ResolvedStep,
  inputs: Readonly<Record<string, JsonValue>>,
): readonly string[] {
  const secrets = Object.entries(wired)
    .filter(([, input]) => inputForm(input).kind === 'secret')
    .map(([name]) => name);
  const given = Object.entries(inputs).filter(([name]) => !secrets.includes(name));
  return findInputFaults(manifest, Object.fromEntries(given), secrets).map(
    ({ message }) => message,
  );
}

/** Of a need that ran on targets: what the same target's part gave. */
async function readDigests(
  tx: Tx,
  promotionId: string,
  { pipeline }: FrozenRules,
  needs: readonly GivenDigests[],
  member: CheckedMember | undefined,
): Promise<Readonly<Record<string, string>>> {
  if (needs.length === 0) return {};
  const digests: Record<string, string> = {};
  for (const { stepId, outputs } of needs) {
    for (const [name, digest] of Object.entries(outputs)) digests[`${stepId}.${name}`] = digest;
  }
  const target = member?.target ?? null;
  if (target === null) return digests;
  const ids = needs.map(({ stepId }) => stepId);
  const isExpanded = pipeline.steps.some(
    (step) => ids.includes(step.id) && 'matrix' in step && step.matrix !== undefined,
  );
  if (!isExpanded) return digests;
  for (const { stepId, values } of await listMembersOfKey(tx, promotionId, ids, target)) {
    for (const [name, value] of Object.entries(values)) {
      if (isDigest(value)) digests[`${stepId}.${name}`] = value;
    }
  }
  return digests;
}

function isDigest(value: JsonValue): value is string {
  return typeof value === 'string' && /^sha256:[0-9a-f]{64}$/.test(value);
}

function invalid(message: string): Error {
  return activityFailure(FAILURES.invalidInput, message);
}
