import type { JsonValue, StepOutcome } from '@sluice/domain';
import { STEP_OUTCOMES } from '@sluice/domain';
import type { EvidenceStore } from '@sluice/evidence-store';
import {
  getRelease,
  listMemberOutputs,
  listSettledSteps,
  listStepsById,
  type PromotionRecord,
  type StepRecord,
  type Tx,
} from '@sluice/persistence';
import type { PipelineScope, SettledStepValues } from '@sluice/pure';
import type { FrozenRules } from '@sluice/temporal-contract';
import type { FrozenPromotion } from './frozen-course.ts';
import {
  createLargeValueReader,
  LargeValueError,
  type LargeValueReader,
  readValues,
} from './large-values.ts';

/** Outputs of all members of one matrix that one input reads, together. Bytes of JSON. */
const MAX_MEMBER_OUTPUT_BYTES = 8 * 1024 * 1024;

/**
 * What references and expressions of a step read, as the records say now. Only what is read is looked up; what is kept by reference is
 * read from the evidence store.
 * @param reads paths, as `findInputReads` gives them
 * @param member of the matrix that the step runs for
 * @throws LargeValueError
 */
export async function readScope(
  tx: Tx,
  evidence: EvidenceStore,
  { promotion, rules }: FrozenPromotion,
  reads: readonly (readonly string[])[],
  member?: JsonValue,
): Promise<PipelineScope> {
  const { facts } = rules;
  const steps = await readSteps(
    tx,
    createLargeValueReader(evidence),
    promotion.promotionId,
    rules,
    reads,
  );
  return {
    steps,
    parameters: rules.parameters ?? {},
    ...(member === undefined ? {} : { matrix: member }),
    promotion: { ...facts?.promotion },
    release: await readRelease(tx, promotion, rules),
    environment: { ...facts?.environment },
  };
}

/** A release that a step of this promotion made goes before the one that it began with. */
async function readRelease(
  tx: Tx,
  { releaseDigest }: PromotionRecord,
  rules: FrozenRules,
): Promise<Readonly<Record<string, JsonValue>>> {
  if (releaseDigest === rules.releaseDigest) return { ...rules.facts?.release };
  const { name, version } = await getRelease(tx, releaseDigest);
  return { id: releaseDigest, name, version };
}

async function readSteps(
  tx: Tx,
  large: LargeValueReader,
  promotionId: string,
  rules: FrozenRules,
  reads: readonly (readonly string[])[],
): Promise<Readonly<Record<string, SettledStepValues>>> {
  const paths = reads.filter(([root]) => root === 'steps');
  if (paths.length === 0) return {};
  const isAll = paths.some(([, step]) => step === undefined);
  const ids = [...new Set(paths.flatMap(([, step]) => (step === undefined ? [] : [step])))];
  const records = isAll
    ? await listSettledSteps(tx, promotionId)
    : await listStepsById(tx, promotionId, ids);
  const expanded = new Map(
    rules.pipeline.steps.map((step) => [step.id, 'matrix' in step && step.matrix !== undefined]),
  );
  const settled: [string, SettledStepValues][] = [];
  for (const record of records) {
    const { stepId } = record;
    const outcome = outcomeOf(record);
    if (outcome === undefined) continue;
    const names = paths
      .filter(([, step, member]) => (step ?? stepId) === stepId && member !== 'outcome')
      .map(([, , , name]) => name ?? '*');
    const outputs =
      expanded.get(stepId) === true
        ? await readMemberOutputs(tx, large, promotionId, stepId, names)
        : await readOutputs(large, record, names);
    settled.push([stepId, { outcome, outputs }]);
  }
  return Object.fromEntries(settled);
}

/** Those by reference only where they are read. */
async function readOutputs(
  large: LargeValueReader,
  { stepId, values, references }: StepRecord,
  names: readonly string[],
): Promise<Readonly<Record<string, JsonValue>>> {
  const read = Object.entries(references).filter(
    ([name]) => names.includes('*') || names.includes(name),
  );
  const what = (name: string): string => `Output ${name} of step ${stepId}`;
  return readValues(large, what, values, Object.fromEntries(read));
}

/** Each output is a list by member, null where a member has none. Who reads the outcome alone asks for none. */
async function readMemberOutputs(
  tx: Tx,
  large: LargeValueReader,
  promotionId: string,
  stepId: string,
  names: readonly string[],
): Promise<Readonly<Record<string, JsonValue>>> {
  if (names.length === 0) return {};
  const outputs = await listMemberOutputs(tx, {
    promotionId,
    stepId,
    names: names.includes('*') ? null : [...new Set(names)],
    maxBytes: MAX_MEMBER_OUTPUT_BYTES,
  });
  if (outputs !== undefined) {
    const lists: Record<string, JsonValue[]> = {};
    for (const [name, list] of Object.entries(outputs.lists)) lists[name] = [...list];
    for (const { name, index, reference } of outputs.large) {
      const what = `Output ${name} of member ${index} of step ${stepId}`;
      const list = lists[name];
      if (list !== undefined) list[index] = await large.read(what, reference);
    }
    return lists;
  }
  throw new LargeValueError(
    'outputs-too-large',
    `The outputs of all members of step ${stepId} together are over ${MAX_MEMBER_OUTPUT_BYTES} bytes: read fewer of them, or have each member give less, such as a digest.`,
  );
}

function outcomeOf({ state }: StepRecord): StepOutcome | undefined {
  return (STEP_OUTCOMES as readonly string[]).includes(state) ? (state as StepOutcome) : undefined;
}
