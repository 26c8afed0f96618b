import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import {
  type DecisionRow,
  decideStep,
  NEEDS_STANDINGS,
  PIPELINE_PHASES,
  PIPELINE_TROUBLES,
  SKIP_CODES,
  STEP_DECISION_TABLE,
  type StepDecision,
} from './step-decision.ts';
import { STEP_CONDITIONS } from './template.ts';

const DOCUMENT = new URL('../../../../docs/failure-semantics.md', import.meta.url);

/*
 * The whole table, written out once more as a picture: per condition and phase a row for each trouble and a column for what the needs come
 * to. `w` waits for needs, `f` for the finale, `c` for compensation; `R` runs; skipped: `b` need-bad, `h` pipeline-halted,
 * `x` promotion-cancelled, `n` nothing-failed, `u` not-cancelled. Columns: none open clear tolerated bad.
 */
const PICTURE = `
  success   ordinary     none RwRRb tolerated RwRRb bad RwRRb halted hhhhb cancelled xxxxb
  success   compensation none ccccc tolerated ccccc bad ccccc halted ccccc cancelled ccccc
  success   finale       none RwRRb tolerated RwRRb bad hhhhb halted hhhhb cancelled xxxxb
  always    ordinary     none RwRRR tolerated RwRRR bad RwRRR halted fffff cancelled fffff
  always    compensation none ccccc tolerated ccccc bad ccccc halted ccccc cancelled ccccc
  always    finale       none RwRRR tolerated RwRRR bad RwRRR halted RwRRR cancelled RwRRR
  onFailure ordinary     none fwnRR tolerated fwnRR bad fwnRR halted fffff cancelled fffff
  onFailure compensation none ccccc tolerated ccccc bad ccccc halted ccccc cancelled ccccc
  onFailure finale       none nwnRR tolerated nwnRR bad RwnRR halted RwnRR cancelled RwnRR
  onCancel  ordinary     none fffff tolerated fffff bad fffff halted fffff cancelled fffff
  onCancel  compensation none ccccc tolerated ccccc bad ccccc halted ccccc cancelled ccccc
  onCancel  finale       none uwuuu tolerated uwuuu bad uwuuu halted uwuuu cancelled RwRRR
`;

const SIGNS: Readonly<Record<string, string>> = {
  w: 'wait needs-open',
  f: 'wait finale-awaited',
  c: 'wait compensation-running',
  R: 'run',
  b: 'skip trouble need-bad',
  h: 'skip trouble pipeline-halted',
  x: 'skip trouble promotion-cancelled',
  n: 'skip own-will nothing-failed',
  u: 'skip own-will not-cancelled',
};

const COMBINATIONS = STEP_CONDITIONS.flatMap((when) =>
  PIPELINE_PHASES.flatMap((phase) =>
    PIPELINE_TROUBLES.flatMap((trouble) =>
      NEEDS_STANDINGS.map((needs) => ({ when, phase, trouble, needs })),
    ),
  ),
);

function sayDecision(decision: StepDecision): string {
  if (decision.do === 'run') return 'run';
  if (decision.do === 'wait') return `wait ${decision.code}`;
  return `skip ${decision.cause} ${decision.code}`;
}

describe('decideStep', () => {
  const pictured = PICTURE.trim()
    .split('\n')
    .flatMap((line) => {
      const [when, phase, ...rest] = line.trim().split(/\s+/);
      return PIPELINE_TROUBLES.flatMap((trouble) => {
        const signs = rest[rest.indexOf(trouble) + 1] ?? '';
        return NEEDS_STANDINGS.map((needs, column) => ({
          combination: { when, phase, trouble, needs },
          expected: SIGNS[signs[column] ?? ''],
        }));
      });
    });

  test('the picture has every combination once', () => {
    expect(pictured.map(({ combination }) => combination)).toEqual(COMBINATIONS);
  });

  test('answers as pictured', () => {
    const answered = COMBINATIONS.map(({ when, phase, trouble, needs }) =>
      sayDecision(decideStep(when, phase, trouble, needs)),
    );
    expect(answered).toEqual(pictured.map(({ expected }) => expected));
  });

  test('every combination is in exactly one row', () => {
    const rowsOf = (one: (typeof COMBINATIONS)[number]): readonly DecisionRow[] =>
      STEP_DECISION_TABLE.filter(
        (row) =>
          row.when.includes(one.when) &&
          row.phase.includes(one.phase) &&
          row.trouble.includes(one.trouble) &&
          row.needs.includes(one.needs),
      );
    expect(COMBINATIONS.filter((one) => rowsOf(one).length !== 1)).toEqual([]);
  });

  test('in the finale nothing waits but for its needs, so that every run ends', () => {
    const stuck = COMBINATIONS.filter(
      ({ when, phase, trouble, needs }) =>
        phase === 'finale' &&
        needs !== 'open' &&
        decideStep(when, phase, trouble, needs).do === 'wait',
    );
    expect(stuck).toEqual([]);
  });

  test('refuses a word that it does not know', () => {
    expect(() => decideStep('never' as 'always', 'finale', 'none', 'none')).toThrow(
      expect.objectContaining({ code: 'step-undecided' }),
    );
  });
});

/** The table as the document shows it. */
function writeTable(): string {
  const cell = (all: readonly string[], some: readonly string[]): string =>
    some.length === all.length ? 'any' : some.map((word) => `\`${word}\``).join(', ');
  const rows = STEP_DECISION_TABLE.map((row) =>
    [
      cell(STEP_CONDITIONS, row.when),
      cell(PIPELINE_PHASES, row.phase),
      cell(PIPELINE_TROUBLES, row.trouble),
      cell(NEEDS_STANDINGS, row.needs),
      sayCell(row.decision),
    ].join(' | '),
  );
  const head = ['`when` | phase | trouble | needs | the step', '--- | --- | --- | --- | ---'];
  return [...head, ...rows].map((row) => `| ${row} |`).join('\n');
}

function sayCell(decision: StepDecision): string {
  if (decision.do === 'run') return '**runs**, if its `if` allows';
  if (decision.do === 'wait') return `waits: \`${decision.code}\``;
  const cause = decision.cause === 'own-will' ? 'its own will' : 'trouble';
  return `is skipped by ${cause}: \`${decision.code}\``;
}

describe('docs/failure-semantics.md', () => {
  const text = readFileSync(DOCUMENT, 'utf8');

  test('shows the table that decides', () => {
    const shown = /<!-- decisions -->\n([\s\S]*?)\n<!-- \/decisions -->/.exec(text)?.[1];
    expect(shown).toBe(writeTable());
  });

  test.each(Object.keys(SKIP_CODES))('explains %s', (code) => {
    expect(text).toContain(`\`${code}\``);
  });
});
