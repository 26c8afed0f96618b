import { releaseName } from './difference-text.ts';
import { duration, minuteOf, timeOfDay } from './progress-text.ts';
import type {
  PromotionRolloutsView,
  RolloutStageView,
  RolloutSteerView,
  RolloutView,
} from './rollout-operations.ts';
import { table, wrapped } from './text-layout.ts';
import type { RolloutLineView } from './watch-operations.ts';

const BAR = 10;
/** Lines of what was done and of where requests went, each: the newest. */
const MAX_LINES = 12;
/** Names of targets in one line. */
const MAX_NAMES = 12;

const MARKS: Readonly<Record<RolloutStageView['state'], string>> = {
  PENDING: '·',
  RUNNING: '▶',
  HELD: '✓',
  FAILED: '✗',
  SKIPPED: '-',
};

const PHASES: Readonly<Record<RolloutView['phase'], string>> = {
  GATE: 'asking the policy',
  DEPLOY: 'deploying',
  TRAFFIC: 'moving requests',
  SOAK: 'being watched',
  HELD: 'held',
};

/** Thousandths as people read them: `5 %`, `2.5 %`. */
export function percent(permille: number): string {
  return `${permille % 10 === 0 ? permille / 10 : (permille / 10).toFixed(1)} %`;
}

/** A word of the schema as people write it: `blue-green`. */
export function plainWord(word: string): string {
  return word.toLowerCase().replaceAll('_', '-');
}

/**
 * The rollouts of a promotion: stages with their exposure, what moved requests, and who did what.
 * @param now milliseconds since the epoch
 */
export function describeRollouts(promotion: PromotionRolloutsView, now: number): string {
  const { id, rollouts } = promotion;
  if (rollouts.length > 0) {
    return rollouts.map((rollout) => describeRollout(promotion, rollout, now)).join('\n');
  }
  const head = wrapped(`${id}  ${moveOf(promotion)}: ${promotion.state.toLowerCase()}`, 2);
  return `${head}  Nothing of it rolls out in stages, or that has not begun.\n`;
}

function moveOf({ release, environment }: PromotionRolloutsView): string {
  return `${releaseName(release)} to ${environment.name}`;
}

function describeRollout(
  promotion: PromotionRolloutsView,
  rollout: RolloutView,
  now: number,
): string {
  return [
    wrapped(`${promotion.id}  ${moveOf(promotion)}, step ${rollout.step}`, 2),
    wrapped(`  ${lineOf(rollout, now)}`, 4),
    ...whyText(promotion.id, rollout),
    '\n',
    stageTable(rollout),
    ...verdictLines(rollout),
    ...targetLines(rollout),
    ...routeLines(rollout),
    ...steerLines(rollout),
  ].join('');
}

/** A rollout in one line: `canary running, stage half (2 of 3), being watched, 4:05`. */
export function lineOf(rollout: RolloutLineView, now: number): string {
  const { strategy, state, stage, stages, phase, startedAt, endedAt, router } = rollout;
  const until = endedAt === null ? now : Date.parse(endedAt);
  const name = stages[stage]?.name ?? String(stage);
  const place = state === 'COMPLETED' ? '' : `, stage ${name} (${stage + 1} of ${stages.length})`;
  const doing = state === 'RUNNING' ? `, ${PHASES[phase]}` : '';
  const share = router?.route?.canaryPermille ?? null;
  const isMoved = endedAt === null && share !== null && share > 0;
  const traffic = isMoved ? `, canary ${percent(share)} of the requests` : '';
  const took = duration(until - Date.parse(startedAt));
  return `${plainWord(strategy)} ${state.toLowerCase()}${place}${doing}${traffic}, ${took}`;
}

function whyText(id: string, { state, reason, pausedUntil }: RolloutView): readonly string[] {
  const lines = reason === null ? [] : [wrapped(`  ${reason.code}: ${reason.message}`, 4)];
  if (state !== 'PAUSED' || pausedUntil === null) return lines;
  return [
    ...lines,
    wrapped(`  It waits for a person until ${minuteOf(pausedUntil)} UTC; then it is aborted.`, 4),
    `  Go on:       sluice rollout resume ${id}\n`,
    `  Put it back: sluice rollout abort ${id}\n`,
  ];
}

function stageTable({ stages }: RolloutView): string {
  const all = stages.reduce((sum, { memberCounts }) => sum + memberCounts.total, 0);
  const routed = stages.some(({ canaryPermille }) => canaryPermille !== null);
  let planned = 0;
  let done = 0;
  const rows = stages.map((stage) => {
    planned += stage.memberCounts.total;
    done += stage.memberCounts.succeeded;
    return [
      `${MARKS[stage.state]} ${stage.name}`,
      stage.state.toLowerCase(),
      `${stage.memberCounts.succeeded}/${stage.memberCounts.total}`,
      all === 0 ? '' : exposure(planned / all, done / all),
      ...(routed ? [stage.canaryPermille === null ? '' : percent(stage.canaryPermille)] : []),
      stage.soakSeconds === 0 ? '' : duration(stage.soakSeconds * 1000),
      verdictOf(stage),
    ];
  });
  return table(
    [
      { title: '  STAGE', shrinks: true },
      { title: 'STATE' },
      { title: 'TARGETS' },
      { title: 'EXPOSED' },
      ...(routed ? [{ title: 'SHARE' }] : []),
      { title: 'WATCHED' },
      { title: 'VERDICT', shrinks: true },
    ],
    rows,
  );
}

/** `██░░░       50 %`: what has the new version, and what has it once the stage is done. */
function exposure(planned: number, done: number): string {
  const width = (part: number): number => (part === 0 ? 0 : Math.max(1, Math.round(part * BAR)));
  const whole = width(planned);
  const full = Math.min(whole, width(done));
  const bar = ('█'.repeat(full) + '░'.repeat(whole - full)).padEnd(BAR);
  return `${bar} ${String(Math.round(planned * 100)).padStart(3)} %`;
}

function verdictOf({ state, analysis, gated, pauses }: RolloutStageView): string {
  if (analysis !== null) {
    const score = analysis.score === null ? '' : ` ${Math.round(analysis.score)}`;
    return `${analysis.outcome.toLowerCase()}${score}`;
  }
  if (state !== 'PENDING') return '';
  return [...(gated ? ['by policy'] : []), ...(pauses ? ['waits'] : [])].join(', ');
}

/** Why a stage's watching came to what it did, but for what the rollout says itself. */
function verdictLines({ stages, reason }: RolloutView): readonly string[] {
  const lines = stages.flatMap(({ name, analysis }) => {
    const why = analysis?.reason ?? null;
    if (why === null || why.message === reason?.message) return [];
    return [wrapped(`  ${name}: ${why.code}: ${why.message}`, 4)];
  });
  return lines.length === 0 ? [] : ['\n', ...lines];
}

/** Targets by stage and state, and under them why some did not succeed. */
function targetLines({ stages }: RolloutView): readonly string[] {
  const lines: string[] = [];
  for (const { name, targets, memberCounts } of stages) {
    const states = [...new Set(targets.map(({ state }) => state))];
    for (const state of states) {
      const names = targets.filter((target) => target.state === state).map((one) => one.name);
      const shown = names.slice(0, MAX_NAMES);
      const counts = memberCounts as unknown as Readonly<Record<string, number>>;
      const more = (counts[state.toLowerCase()] ?? names.length) - shown.length;
      const rest = more > 0 ? ` and ${more} more` : '';
      lines.push(wrapped(`  ${name}: ${state.toLowerCase()} ${shown.join(', ')}${rest}`, 4));
    }
    for (const { name: target, reason } of targets.filter(({ reason: why }) => why !== null)) {
      lines.push(wrapped(`    ${target}: ${reason?.code}: ${reason?.message}`, 6));
    }
  }
  return lines.length === 0 ? [] : ['\n', ...lines];
}

function routeLines({ routeChanges, stages }: RolloutView): readonly string[] {
  if (routeChanges.length === 0) return [];
  const lines = routeChanges.slice(-MAX_LINES).map((change) => {
    const { router, stage, canaryPermille, state, failure, dispatchedAt, settledAt } = change;
    const what = stage === null ? 'put back' : `stage ${stages[stage]?.name ?? stage}`;
    const why = failure === null ? '' : `: ${failure.code}: ${failure.message}`;
    const at = timeOfDay(settledAt ?? dispatchedAt);
    return wrapped(
      `  ${at}  ${router}  canary ${percent(canaryPermille)}, ${what}: ${state.toLowerCase()}${why}`,
      12,
    );
  });
  return ['\nRequests (UTC):\n', ...lines];
}

function steerLines({ steers, stages }: RolloutView): readonly string[] {
  if (steers.length === 0) return [];
  return [
    '\nDone by people (UTC):\n',
    ...steers.slice(-MAX_LINES).map((steer) => steerLine(steer, stages)),
  ];
}

function steerLine(steer: RolloutSteerView, stages: RolloutView['stages']): string {
  const { at, principal, action, stage, recorded, refusal, comment } = steer;
  const where = stage === null ? '' : ` at stage ${stages[stage]?.name ?? stage}`;
  const fate = refusal === null ? (recorded ? '' : ', not answered') : `, refused: ${refusal.code}`;
  const said = comment === '' ? '' : `: ${comment}`;
  return wrapped(
    `  ${timeOfDay(at)}  ${principal} ${action.toLowerCase()}${where}${fate}${said}`,
    12,
  );
}

/** The same text, no line wider than so many columns. */
export function cutLines(text: string, columns: number): string {
  return text
    .split('\n')
    .map((line) => {
      const characters = [...line];
      return characters.length <= columns
        ? line
        : `${characters.slice(0, Math.max(0, columns - 1)).join('')}…`;
    })
    .join('\n');
}
