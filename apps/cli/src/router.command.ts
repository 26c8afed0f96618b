import type { Command } from 'commander';
import type { CliIo } from './cli-io.ts';
import { act, type CommandContext } from './command-context.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { OPERATIONS } from './operations.ts';
import { minuteOf } from './progress-text.ts';
import type { RouterView, RouteServerView } from './rollout-operations.ts';
import { cutLines, percent, plainWord } from './rollout-text.ts';
import { table, wrapped } from './text-layout.ts';

/** Servers of a pool that are named. */
const MAX_SERVERS = 12;

/** Adds `sluice router …`. */
export function addRouterCommands(
  program: Command,
  io: CliIo,
  settle: (exitCode: ExitCode) => void,
): void {
  const router = program.command('router').description('proxies that requests go through');
  const list = router
    .command('list')
    .description('routers with their agents, and where each sends requests');
  act(list, io, settle, listRouters);
}

async function listRouters(context: CommandContext): Promise<ExitCode> {
  const { routers } = await context.api().run<{ routers: RouterView[] }>(OPERATIONS.routers);
  context.print({ routers }, () => {
    if (routers.length === 0) {
      return 'No routers yet: declare one under `routers:` in the API configuration.\n';
    }
    const { columns } = context.io.terminal() ?? { columns: Number.POSITIVE_INFINITY };
    return cutLines(describeRouters(routers), columns);
  });
  return EXIT_CODES.ok;
}

function describeRouters(routers: readonly RouterView[]): string {
  const rows = routers.map(({ name, environment, kind, backend, agent, route }) => [
    name,
    environment.name,
    plainWord(kind),
    backend,
    agent === null ? 'none' : agent.state.toLowerCase(),
    route === null ? '' : percent(route.canaryPermille),
    route === null ? 'never told' : minuteOf(route.since).slice(5),
  ]);
  const columns = [
    { title: 'ROUTER', shrinks: true },
    { title: 'ENVIRONMENT', shrinks: true },
    { title: 'KIND' },
    { title: 'BACKEND', shrinks: true },
    { title: 'AGENT' },
    { title: 'CANARY' },
    { title: 'SINCE (UTC)' },
  ];
  return table(columns, rows) + routers.map(describeRoute).join('');
}

function describeRoute({ name, route }: RouterView): string {
  if (route === null) return '';
  const { stable, canary, match, canaryPermille, promotion } = route;
  const rules = match.map((one) => wrapped(`  canary for ${matchText(one)}`, 4));
  return [
    '\n',
    wrapped(`${name}, by ${promotion}`, 2),
    wrapped(`  stable ${percent(1000 - canaryPermille)}: ${serversText(stable)}`, 4),
    ...(canary.length === 0
      ? []
      : [wrapped(`  canary ${percent(canaryPermille)}: ${serversText(canary)}`, 4)]),
    ...rules,
  ].join('');
}

function serversText(servers: readonly RouteServerView[]): string {
  if (servers.length === 0) return 'nobody';
  const shown = servers.slice(0, MAX_SERVERS).map(({ name, address, port }) => {
    return `${name} (${address.includes(':') ? `[${address}]` : address}:${port})`;
  });
  const more = servers.length - shown.length;
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** `header x-beta: yes`, `cookie group=b`. */
function matchText(match: unknown): string {
  const { header, cookie } = match as Readonly<
    Record<string, { readonly name: string; readonly value: string } | undefined>
  >;
  if (header !== undefined) return `header ${header.name}: ${header.value}`;
  return cookie === undefined ? JSON.stringify(match) : `cookie ${cookie.name}=${cookie.value}`;
}
