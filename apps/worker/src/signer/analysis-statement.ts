import {
  DEFAULT_INTERVAL_SECONDS,
  limitsAlone,
  type RolloutInputs,
  watchTimesOf,
} from '@sluice/domain';
import { findRollout, type Tx } from '@sluice/persistence';
import { analysisRulesOf, parseAnalysis } from '@sluice/pipeline';
import { canonicalJson } from '@sluice/pure';
import { findAnalysisProblem, type ReadStatement, readAnalysisPredicate } from '@sluice/signing';
import { type Refused, refusal } from './refusal.ts';

/**
 * Why an analysis is not signed: its document is judged again here, and must be of a stage of the stored rollout, by that rollout's own rules
 * and queries, its canary of targets that the stage has made new and its baseline of others. What providers measured is the worker's word.
 * Refusals: `statement-malformed`, `analysis-differs`.
 */
export async function findAnalysisStatementProblem(
  tx: Tx,
  promotionId: string,
  { statement }: ReadStatement,
): Promise<Refused | undefined> {
  const predicate = readAnalysisPredicate(statement);
  if (predicate === undefined) {
    return refusal('statement-malformed', 'The predicate is no analysis of a known form.');
  }
  const { document } = predicate;
  const differs = (what: string): Refused => refusal('analysis-differs', what);
  const misjudged = findAnalysisProblem(document);
  if (misjudged !== undefined) return differs(misjudged);
  const { stepId, round, stage: index } = document;
  const rollout = await findRollout(tx, { promotionId, stepId, round });
  const stage = rollout?.layout.stages[index];
  if (rollout === undefined || stage === undefined || !stage.analyse) {
    return differs(`No rollout of ${promotionId} has a stage ${index} of ${stepId} to analyse.`);
  }
  const inputs = rollout.inputs as unknown as RolloutInputs;
  const parsed = parseAnalysis(inputs.analysis);
  if (!parsed.ok) return differs(`The rollout ${stepId} asks for no analysis that can be read.`);
  const isAlone = document.targets.baseline.length === 0;
  const plan = isAlone ? limitsAlone(parsed.value) : parsed.value;
  if (plan === null) return differs(`Without a baseline ${stepId} has nothing to judge.`);
  const { intervalSeconds = DEFAULT_INTERVAL_SECONDS } = inputs;
  const { looks } = watchTimesOf(stage.soakSeconds, intervalSeconds);
  const wanted = {
    rules: analysisRulesOf(plan, looks),
    metrics: plan.metrics.map(({ rules, provider, query, pointer }) => {
      return { name: rules.name, provider, query, pointer };
    }),
  };
  const said = {
    rules: document.rules,
    metrics: document.metrics.map(({ name, provider, query, pointer }) => {
      return { name, provider, query, pointer };
    }),
  };
  if (canonicalJson(said) !== canonicalJson(wanted)) {
    return differs(`The rollout ${stepId} is stored with other rules or queries.`);
  }
  const fresh = new Set(rollout.layout.members.slice(0, stage.to));
  const { canary, baseline } = document.targets;
  const isSplit = canary.every((name) => fresh.has(name)) && !baseline.some((n) => fresh.has(n));
  if (isSplit) return undefined;
  return differs(`Stage ${index} of ${stepId} has other targets made new.`);
}
