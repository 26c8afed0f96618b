import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseTrustRoot } from '@sluice/signing';
import { findDisagreements } from '../agreement.ts';
import { findOpenRecords, findPacketProblems } from '../chaos/judge-chaos.ts';
import { type ProgramEnd, runSluice } from '../cli.ts';
import type { PromotionAnswer } from '../documents.ts';
import { waitFor } from '../wait-for.ts';
import { listProcessesWith, listSandboxRemains } from './left-behind.ts';
import type { PlayedStory, Tour } from './play-round.ts';
import { readStepLogs } from './step-logs.ts';
import { AFTERWARDS, type StepStage } from './step-stage.ts';
import { isCancelling, type StepFault, type StepStory } from './step-story.ts';

/** A story that was told, and what was wrong with it. */
export interface JudgedStory {
  readonly story: string;
  readonly type: string;
  readonly fault: StepFault;
  readonly promotion: string;
  readonly state: string;
  readonly code: string | null;
  /** State by step. */
  readonly steps: Readonly<Record<string, string>>;
  readonly problems: readonly string[];
}

/** How long after its seal a promotion's processes and limit groups may take to go. Seconds. */
const GONE_SECONDS = 20;

/** Judged at a time: each may be a few processes. */
const AT_ONCE = 3;

/**
 * Judges each promotion of a round by all that it left.
 * @param isWhole looks at what the CLI prints of all of them; else of one
 */
export async function judgeRound(
  tour: Tour,
  played: readonly PlayedStory[],
  isWhole: boolean,
): Promise<readonly JudgedStory[]> {
  const judged: JudgedStory[] = [];
  const queue = [...played.entries()];
  const judgeNext = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [index, one] = next;
      judged[index] = await judgeStory(tour, one, { withCli: isWhole || index === 0 }).catch(
        (error: unknown) => ({
          ...{ story: one.story.name, type: one.story.type, fault: one.fault },
          ...{ promotion: one.promotion, state: '', code: null, steps: {} },
          problems: [`could not be judged: ${String(error)}`],
        }),
      );
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, judgeNext));
  return judged;
}

async function judgeStory(
  { stage, workers }: Tour,
  played: PlayedStory,
  { withCli }: { readonly withCli: boolean },
): Promise<JudgedStory> {
  const { story, fault, promotion: id, trouble } = played;
  const head = { story: story.name, type: story.type, fault, promotion: id };
  const problems: string[] = trouble === undefined ? [] : [trouble];
  const promotion = await stage.client.promotion(id).catch(() => null);
  if (promotion === null) {
    return {
      ...head,
      state: '',
      code: null,
      steps: {},
      problems: [...problems, 'it is not there'],
    };
  }
  const { state, reason, steps } = promotion;
  problems.push(
    ...findWrongEnd(played, promotion),
    ...findUnclearSteps(played, promotion),
    ...(await findDisagreements(stage.made.stack, promotion)),
    ...findPacketProblems(promotion, await readTrustRoot(stage)),
    ...(await findLogProblems(stage, story, id)),
    ...((await story.findProblems?.(stage, id, fault)) ?? []),
    ...(await findRemains(story, id, workers)),
    ...(withCli ? await findCliProblems(stage, promotion) : []),
  );
  return {
    ...head,
    state,
    code: reason?.code ?? null,
    steps: Object.fromEntries(steps.map((step) => [step.id, step.state])),
    problems,
  };
}

async function readTrustRoot({ made }: StepStage) {
  return parseTrustRoot(await readFile(made.stack.trustRootFile));
}

function findWrongEnd(
  { story, fault }: PlayedStory,
  { state, reason, steps }: PromotionAnswer,
): readonly string[] {
  const wanted =
    story.end?.(fault) ??
    (isCancelling(fault)
      ? { state: 'CANCELLED', code: 'promotion-cancelled' }
      : { state: 'SUCCEEDED', code: null });
  const problems: string[] = [];
  if (state !== wanted.state || (reason?.code ?? null) !== wanted.code) {
    problems.push(
      `it ended ${state} (${reason?.code}: ${reason?.message}), not ${wanted.state} (${wanted.code})`,
    );
  }
  if (!steps.some(({ id }) => id === story.step)) problems.push(`it has no step ${story.step}`);
  const after = steps.find(({ id }) => id === AFTERWARDS)?.state;
  const wantedAfter = wanted.state === 'SUCCEEDED' ? 'SUCCEEDED' : 'SKIPPED';
  if (after !== wantedAfter) problems.push(`what comes after is ${after}, not ${wantedAfter}`);
  return problems;
}

/** A step that did not simply succeed says why: what happened and, where that is for people to mend, what they do. */
function findUnclearSteps({ fault }: PlayedStory, { steps, state }: PromotionAnswer) {
  return steps.flatMap((step) => {
    const { id, reason } = step;
    if (step.state === 'SUCCEEDED') {
      return reason === null ? [] : [`step ${id} succeeded because of ${reason.code}`];
    }
    if (state === 'SUCCEEDED') return [`step ${id} is ${step.state} in a promotion that succeeded`];
    if (reason === null) return [`step ${id} is ${step.state}, and nothing says why`];
    const isToldOff = isCancelling(fault) && !isOfCancellation(fault, reason.code);
    const hasAdvice = step.state !== 'FAILED' || reason.message.split(/\. |: /).length > 1;
    return [
      ...(isToldOff ? [`step ${id} is ${step.state} for ${reason.code}: ${reason.message}`] : []),
      ...(hasAdvice && reason.message.length > 20
        ? []
        : [`step ${id} says too little: ${reason.message}`]),
    ];
  });
}

/** What stands at the steps of a cancelled promotion. A worker that died may have been missed before the cancellation was heard. */
function isOfCancellation(fault: StepFault, code: string): boolean {
  if (code === 'promotion-cancelled') return true;
  return fault === 'cancel-and-worker' && (code === 'attempt-lost' || code === 'need-bad');
}

async function findLogProblems(
  { client }: StepStage,
  { hasLog, step }: StepStory,
  id: string,
): Promise<readonly string[]> {
  if (hasLog !== true) return [];
  const logs = await readStepLogs(client, id, step);
  if (logs.length === 0) return [`step ${step} has no log`];
  return logs.flatMap(({ attempt, purpose, digest, text }) => [
    ...(digest === null ? [`its log (${purpose}, attempt ${attempt}) is not kept`] : []),
    ...(text === '' ? [`its log (${purpose}, attempt ${attempt}) is empty`] : []),
  ]);
}

async function findRemains(
  { processMark }: StepStory,
  id: string,
  workers: Tour['workers'],
): Promise<readonly string[]> {
  const mark = processMark?.(id);
  if (mark === undefined) return [];
  const list = (): readonly string[] => [
    ...listProcessesWith(mark).map((pid) => `process ${pid} of its step is left`),
    ...listSandboxRemains(workers),
  ];
  await waitFor('nothing is left', async () => list().length === 0, {
    seconds: GONE_SECONDS,
  }).catch(() => undefined);
  return list();
}

/** What a person sees: the steps with their states and reasons, and that the packet verifies. */
async function findCliProblems(
  { made }: StepStage,
  { id, steps, packet, reason }: PromotionAnswer,
): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-story-'));
  try {
    const file = join(folder, 'packet.json');
    await writeFile(file, packet?.document ?? '');
    const [shown, verified] = await Promise.all([
      runCli(made.stack, ['promotion', 'steps', id]),
      runCli(made.stack, ['verify', file, '--trust-root', made.stack.trustRootFile]),
    ]);
    const text = shown.stdout.replace(/\s+/g, ' ');
    return [
      ...(shown.status === 0 ? [] : [`promotion steps: ${shown.status} ${shown.stderr}`]),
      ...(verified.status === 0 ? [] : [`verify: ${verified.stdout} ${verified.stderr}`]),
      ...steps.flatMap((step) => {
        const line = `${step.id} ${step.state.toLowerCase()}`;
        const why = step.reason?.message.replace(/\s+/g, ' ');
        const isTold = why === undefined || text.includes(why) || why === reason?.message;
        return [
          ...(text.includes(line) ? [] : [`promotion steps does not print "${line}"`]),
          ...(isTold ? [] : [`promotion steps does not say of ${step.id}: ${why}`]),
        ];
      }),
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function runCli(stack: StepStage['made']['stack'], args: readonly string[]): Promise<ProgramEnd> {
  return runSluice(args, {
    SLUICE_API_URL: stack.apiUrl,
    SLUICE_TOKEN: stack.tokens['release-manager'] ?? '',
  });
}

/** How long what follows the last end may take: deliveries, links, archived histories. Seconds. */
const SETTLE_SECONDS = 120;

/** What is wrong with the whole when every promotion has ended, and which histories do not replay. */
export async function judgeTour(
  { stage: { made } }: Tour,
  promotions: readonly string[],
): Promise<readonly string[]> {
  let problems: readonly string[] = [];
  await waitFor(
    'nothing is open',
    async () => {
      problems = await findOpenRecords(made.stack);
      return problems.length === 0;
    },
    { seconds: SETTLE_SECONDS, everyMs: 500 },
  ).catch(() => undefined);
  const args = ['replay', ...promotions, '--reason', 'a test', '--json'];
  const { status, stdout, stderr } = await runCli(made.stack, args);
  if (status !== 0) return [...problems, `they do not replay: ${stdout} ${stderr}`];
  const { histories, deterministic } = JSON.parse(stdout) as Record<string, number>;
  const isWhole = histories === deterministic && (histories ?? 0) >= promotions.length;
  return isWhole ? problems : [...problems, `${deterministic} of ${histories} histories replay`];
}
