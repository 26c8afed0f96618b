/**
 * `npm run bench -- NAME [--json] [--quick]`: runs one bench, or all of them when no name is given. `--help` tells what there is, and which
 * sizes a bench can run in.
 *
 * Each bench measures a bare baseline in the same run and prints ratios (value / baseline). With `--json` standard output
 * is one document `{bench, results: [{name, value, baseline, ratio, unit, n, spread}]}` per bench; progress goes to standard error.
 * No bench asserts a time: the figures are for people.
 */
const BENCHES = {
  promotion: () => import('./promotion/promotion.bench.mjs'),
  approval: () => import('./approval/approval.bench.mjs'),
  engine: () => import('./engine/engine.bench.mjs'),
  replay: () => import('./replay/replay.bench.mjs'),
  rollout: () => import('./rollout/rollout.bench.mjs'),
};

const args = process.argv.slice(2);
if (args.includes('--help')) {
  console.log('npm run bench -- [NAME] [--json] [--quick] [--help]');
  for (const [name, load] of Object.entries(BENCHES)) {
    const { help } = await load();
    console.log([name, ...(help?.() ?? [])].join('\n  '));
  }
  process.exit(0);
}
const names = args.filter((argument) => !argument.startsWith('--'));
const unknown = names.filter((name) => !(name in BENCHES));
if (unknown.length > 0) {
  console.error(
    `There is no bench ${unknown.join(', ')}; there is: ${Object.keys(BENCHES).join(', ')}.`,
  );
  process.exit(2);
}
for (const name of names.length > 0 ? names : Object.keys(BENCHES)) {
  const { run } = await BENCHES[name]();
  const results = await run({
    quick: args.includes('--quick'),
    say: (line) => console.error(`bench ${name}: ${line}`),
    option: (wanted) =>
      args.find((argument) => argument.startsWith(`--${wanted}=`))?.slice(wanted.length + 3),
  });
  if (args.includes('--json')) console.log(JSON.stringify({ bench: name, results }, null, 2));
  else print(name, results);
}
process.exit(0);

function print(name, results) {
  console.log(`\n${name}`);
  for (const { name: what, value, baseline, ratio, unit, n, spread } of results) {
    const compared =
      baseline === null ? '' : `  bare ${baseline.toFixed(2)} ${unit}  ratio ${ratio.toFixed(2)}`;
    console.log(
      `  ${what.padEnd(28)} ${value.toFixed(2)} ${unit}${compared}  (n ${n}, ${spread.min.toFixed(2)}–${spread.max.toFixed(2)})`,
    );
  }
}
