import type { Command } from 'commander';
import type {
  AnalysedRolloutView,
  AnalysisDocumentView,
  StageAnalysisView,
} from './analysis-operations.ts';
import { type AnalysisPlace, describeAnalysis } from './analysis-text.ts';
import type { ApiClient } from './api-client.ts';
import type { CliIo } from './cli-io.ts';
import { act, type CommandContext, wholeNumber } from './command-context.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { OPERATIONS } from './operations.ts';
import { assertPromotionId, noPromotion } from './promotion-reference.ts';

interface ShowOptions {
  readonly step?: string;
  readonly stage?: string;
}

const HELP = `
Without a stage: the newest that was watched to its end. A metric with ! is
critical. With --json the whole document: judged again it gives the same bytes.`;

/** Adds `sluice analysis`. */
export function addAnalysisCommands(
  program: Command,
  io: CliIo,
  settle: (exitCode: ExitCode) => void,
): void {
  const analysis = program.command('analysis').description('how stages of rollouts were judged');
  const show = analysis
    .command('show <promotion>')
    .description('verdict, metrics and a plot of the new version against the old one')
    .option('--step <step>', 'where several steps roll out')
    .option('--stage <number>', 'which stage, from 0')
    .addHelpText('after', HELP);
  act<ShowOptions>(show, io, settle, showAnalysis);
}

async function showAnalysis(
  context: CommandContext,
  { step, stage }: ShowOptions,
  [promotion = '']: readonly string[],
): Promise<ExitCode> {
  assertPromotionId(promotion);
  const index = stage === undefined ? undefined : wholeNumber(stage, '--stage', 0, 49);
  const api = context.api();
  const { place, analysis } = chooseStage(promotion, await listRollouts(api, promotion), {
    step,
    index,
  });
  const document = await readDocument(api, analysis);
  context.print({ ...place, analysis, document }, () =>
    describeAnalysis(place, analysis, document),
  );
  return EXIT_CODES.ok;
}

async function listRollouts(api: ApiClient, id: string): Promise<readonly AnalysedRolloutView[]> {
  const { promotion } = await api.run<{
    promotion: { readonly rollouts: readonly AnalysedRolloutView[] } | null;
  }>(OPERATIONS.promotionAnalyses, { id });
  if (promotion === null) throw noPromotion(id);
  return promotion.rollouts;
}

function chooseStage(
  promotion: string,
  rollouts: readonly AnalysedRolloutView[],
  wanted: { readonly step: string | undefined; readonly index: number | undefined },
): { readonly place: AnalysisPlace; readonly analysis: StageAnalysisView } {
  const fitting = rollouts.filter(({ step }) => wanted.step === undefined || step === wanted.step);
  if (fitting.length === 0) {
    const steps = rollouts.map(({ step }) => step).join(', ');
    throw noAnalysis(
      wanted.step === undefined
        ? `No step of ${promotion} has rolled out in stages.`
        : `${promotion} has no rollout ${wanted.step}.`,
      steps === '' ? 'See sluice promotion show.' : `It has ${steps}.`,
    );
  }
  const watched = fitting.flatMap(({ step, stages }) =>
    stages.flatMap(({ index, name, analysis }) =>
      analysis === null ? [] : [{ place: { promotion, step, stage: { index, name } }, analysis }],
    ),
  );
  const found = watched.filter(
    ({ place }) => wanted.index === undefined || place.stage.index === wanted.index,
  );
  const newest = found.reduce<(typeof found)[number] | undefined>(
    (best, one) =>
      best === undefined || Date.parse(one.analysis.endedAt) >= Date.parse(best.analysis.endedAt)
        ? one
        : best,
    undefined,
  );
  if (newest !== undefined) return newest;
  const known = watched.map(({ place }) => `${place.step} --stage ${place.stage.index}`);
  throw noAnalysis(
    wanted.index === undefined
      ? `No stage of ${promotion} was watched to its end so far.`
      : `Stage ${wanted.index} of ${promotion} was not watched to its end so far.`,
    known.length === 0 ? 'See sluice rollout show.' : `There are --step ${known.join(', ')}.`,
  );
}

function noAnalysis(message: string, next: string): CliError {
  return new CliError(EXIT_CODES.failed, 'analysis-not-found', message, next);
}

async function readDocument(
  api: ApiClient,
  { documentDigest }: StageAnalysisView,
): Promise<AnalysisDocumentView['content']> {
  if (documentDigest === null) return null;
  const { analysisDocument: found } = await api.run<{
    analysisDocument: AnalysisDocumentView | null;
  }>(OPERATIONS.analysisDocument, { digest: documentDigest });
  if (found?.content != null) return found.content;
  const { code, message } = found?.problem ?? {
    code: 'analysis-unavailable',
    message: `There is no document ${documentDigest}.`,
  };
  throw new CliError(EXIT_CODES.failed, code, message, 'The evidence packet has it, too.');
}
