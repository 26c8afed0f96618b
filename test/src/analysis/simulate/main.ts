/**
 * Prints how often the judge of canary analysis is wrong, by simulation:
 *
 *   node infra/build/run.mjs test/analysis/simulate [TABLE…] [--trials=2000] [--seed=1] [--json]
 *
 * The tables are those of docs/analysis.md. The same seed gives the same numbers.
 */
import type { CurveTable } from '../table.ts';
import { CURVE_TABLES } from '../tables.ts';
import { runTrials, type TrialResult } from '../trials.ts';

const args = process.argv.slice(2);
const names = args.filter((argument) => !argument.startsWith('--'));
const unknown = [
  ...names.filter((name) => CURVE_TABLES.every((table) => table.name !== name)),
  ...args.filter(
    (argument) => !/^(?:[^-].*|--json|--help|--(?:trials|seed)=[0-9]+)$/.test(argument),
  ),
];
if (args.includes('--help') || unknown.length > 0) {
  if (unknown.length > 0) console.error(`There is no ${unknown.join(', ')}.`);
  console.error(
    'node infra/build/run.mjs test/analysis/simulate [TABLE…] [--trials=N] [--seed=N] [--json]',
  );
  for (const { name, title } of CURVE_TABLES) console.error(`  ${name.padEnd(12)} ${title}`);
  process.exit(unknown.length > 0 ? 2 : 0);
}
const trials = numberOf('trials', 2000);
const seed = numberOf('seed', 1);
const tables = CURVE_TABLES.filter(({ name }) => names.length === 0 || names.includes(name));

const documents = tables.map((table) => {
  const rows = table.rows.map(({ label, setting }, index) => {
    console.error(`${table.name}: ${label.join(', ')}`);
    const result = runTrials(setting, {
      trials,
      // A sequence of its own for each row: no table depends on which others are played.
      seed: seed * 1000 + index,
      contrast: table.contrast,
    });
    return { label, result };
  });
  if (!args.includes('--json')) console.log(inMarkdown(table, rows));
  return { table: table.name, title: table.title, columns: table.columns, rows };
});
if (args.includes('--json')) {
  console.log(JSON.stringify({ trials, seed, tables: documents }, null, 2));
}

function inMarkdown(
  table: CurveTable,
  rows: readonly { readonly label: readonly (string | number)[]; readonly result: TrialResult }[],
): string {
  const heads = [
    ...table.columns,
    ...(table.failure === 'false-alarm'
      ? ['false alarms']
      : ['fails', 'asks', 'passes', 'shows at']),
    ...(table.contrast
      ? ['as Kayenta at each look', 'the bare test, corrected', 'the bare test at each look']
      : []),
    '',
  ];
  const lines = rows.map(({ label, result }) => [
    ...label,
    percent(result.fail),
    ...(table.failure === 'false-alarm'
      ? []
      : [
          percent(result.inconclusive),
          percent(result.pass),
          result.medianShare === null ? '—' : percent(result.medianShare, 0),
        ]),
    ...(table.contrast
      ? [percent(result.uncorrected), percent(result.bare), percent(result.bareUncorrected)]
      : []),
    bar(result.fail, table.failure === 'false-alarm' ? 0.2 : 1),
  ]);
  return [
    `### ${table.title}`,
    '',
    `| ${heads.join(' | ')} |`,
    `| ${heads.map((_, index) => (index === heads.length - 1 ? '---' : '---:')).join(' | ')} |`,
    ...lines.map((line) => `| ${line.join(' | ')} |`),
    '',
  ].join('\n');
}

function percent(share: number | null, digits = 1): string {
  return share === null ? '—' : `${(share * 100).toFixed(digits)} %`;
}

/** Twenty characters are the whole. */
function bar(share: number, whole: number): string {
  const eighths = Math.round((Math.min(share, whole) / whole) * 160);
  const rest = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8] ?? '';
  return `\`${('█'.repeat(eighths >> 3) + rest).padEnd(20)}\``;
}

function numberOf(name: string, fallback: number): number {
  const given = args.find((argument) => argument.startsWith(`--${name}=`));
  return given === undefined ? fallback : Number(given.slice(name.length + 3));
}
