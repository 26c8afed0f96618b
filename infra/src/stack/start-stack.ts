import { findFreePort } from '@sluice/temporal-server';
import { removeEmbeddedPostgres } from '../embedded-postgres/data-location.ts';
import { getTool } from '../tools/get-tool.ts';
import { completeConfiguration } from './complete-configuration.ts';
import { endOrphanedServices } from './orphaned-services.ts';
import { RunRecord } from './run-record.ts';
import type { AppPlan } from './stack-apps.ts';
import {
  listApiNames,
  listAppNames,
  planAgents,
  planApp,
  startPlanned,
  toAgentPlace,
} from './stack-apps.ts';
import { servicePort, writeConfiguration } from './stack-configuration.ts';
import { prepareDatabase } from './stack-database.ts';
import type { Engines } from './stack-engines.ts';
import { declareEngines } from './stack-engines.ts';
import { assertStackFolder, deleteStackFolder, openStackFolder } from './stack-folder.ts';
import type { StackLayout } from './stack-layout.ts';
import { getStackLayout, logFileOf } from './stack-layout.ts';
import { StackParts } from './stack-parts.ts';
import type { StackPorts } from './stack-ports.ts';
import { chooseStackPorts, rememberStackPorts, startOnFreePort } from './stack-ports.ts';
import { declarePrometheus, PROMETHEUS, prometheusEnv } from './stack-prometheus.ts';
import { declareRouters, routerAdminPort, routerPort } from './stack-routers.ts';
import type { StackSecrets } from './stack-secrets.ts';
import { ensureSecrets } from './stack-secrets.ts';
import type { Stack, StackOptions } from './stack-types.ts';

/**
 * Starts Postgres, Temporal, signer, API, worker and agents as processes of their own, with
 * generated secrets and configuration, and waits until each is ready. The data folder is resumed
 * when there is one. When anything fails, what was started is ended again.
 *
 * @throws StackError, ToolError, EmbeddedPostgresError or TemporalServerError: the message says
 *   which part, why and what to do.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const layout = getStackLayout(options.dataDir);
  const progress = options.progress ?? (() => undefined);
  await openStackFolder(layout);
  const record = new RunRecord(layout.runRecord);
  const ended = [...(await record.takeOver()), ...(await endServices(layout))];
  if (ended.length > 0) {
    progress(`ended what an earlier run had left behind: ${ended.join(', ')}`);
  }
  const parts = new StackParts(record, (name) =>
    progress(`the ${name} has ended by itself; its log is ${logFileOf(layout, name)}`),
  );
  try {
    return await startParts(options, layout, parts, progress);
  } catch (error) {
    await parts.stopAll().catch(() => undefined);
    await endServices(layout);
    throw error;
  }
}

/**
 * Deletes a stack's data folder, wherever Postgres keeps its part of it. Leftover processes are
 * ended first. Nothing happens when there is none.
 *
 * @throws StackError `stack-folder-foreign` when the folder is not a stack's: nothing is deleted.
 */
export async function removeStackData(dataDir: string): Promise<void> {
  const layout = getStackLayout(dataDir);
  if (!(await assertStackFolder(layout))) {
    return;
  }
  const record = new RunRecord(layout.runRecord);
  await record.takeOver();
  await endServices(layout);
  record.close();
  await removeEmbeddedPostgres(layout.postgresDir);
  await deleteStackFolder(layout);
}

async function startParts(
  options: StackOptions,
  layout: StackLayout,
  parts: StackParts,
  progress: (line: string) => void,
): Promise<Stack> {
  const configuration = await completeConfiguration(options, layout);
  const { tenant, targets, routers = [] } = configuration;
  const hasUi = options.temporalUi ?? true;
  const hasPrometheus = options.prometheusExecutable !== undefined;
  const apiNames = listApiNames(options.apis);
  const onMoved = (name: string, wanted: number, chosen: number): void =>
    progress(`port ${wanted} (${name}) is taken; using ${chosen}`);
  const ports: Record<string, number> = await chooseStackPorts(
    layout.portsFile,
    [
      ...[...apiNames, 'postgres', 'temporal', ...(hasUi ? ['temporalUi'] : [])],
      ...(hasPrometheus ? [PROMETHEUS] : []),
      ...routers.flatMap(({ name }) => [routerPort(name), routerAdminPort(name)]),
      ...targets.map(({ name }) => servicePort(name)),
    ],
    options.ports ?? {},
    onMoved,
  );
  const secrets = await ensureSecrets(layout, tenant, configuration.principals);
  const isStarted = (name: string): boolean => options.notStarted?.includes(name) !== true;
  const started = async (name: string): Promise<void> => {
    options.signal?.throwIfAborted();
    if (isStarted(name)) {
      const before = Date.now();
      await parts.start(name);
      progress(`${name} is ready (${((Date.now() - before) / 1000).toFixed(1)} s)`);
    }
  };
  const engines = declareEngines(options, layout, parts, ports, (name, port) => {
    if (ports[name] !== port) {
      onMoved(name, ports[name] ?? 0, port);
      ports[name] = port;
    }
  });
  // Temporal looks for a free port itself, each time anew.
  const temporal = startOnFreePort(
    () => started('temporal'),
    async () => progress('a port of temporal was taken meanwhile; trying again'),
  );
  await allOf([started('postgres'), temporal]);
  const superuserUrl = engines.superuserUrl();
  const { urls: databaseUrls, applied } = await prepareDatabase(
    superuserUrl,
    secrets.databasePasswords,
  );
  if (applied.length > 0) {
    progress(`database migrated: ${applied.join(', ')}`);
  }
  if (options.configFile === undefined) {
    await writeConfiguration(layout, configuration, ports, secrets);
  }
  const plan: AppPlan = {
    layout,
    ports,
    secrets,
    databaseUrls,
    tenant,
    temporalAddress: engines.temporalAddress(),
    temporalNamespace: engines.temporalNamespace(),
    trivy: options.trivyExecutable ?? (await getTool('trivy')).path,
    configFile: options.configFile ?? layout.configFile,
    enrolmentKey: options.configFile === undefined ? layout.enrolmentKey : undefined,
    options,
    env: hasPrometheus
      ? { ...options.env, worker: { ...prometheusEnv(layout), ...options.env?.['worker'] } }
      : (options.env ?? {}),
    agentIdentity: options.agentIdentity,
  };
  if (options.prometheusExecutable !== undefined) {
    const place = { layout, parts, ports, tenant, routers };
    await declarePrometheus(options.prometheusExecutable, place);
    await started(PROMETHEUS);
  }
  for (const name of listAppNames(options.apis)) {
    // Planned at each start: the API's port may move.
    parts.add(name, (onSpawn) => startPlanned(planApp(plan, name), onSpawn));
    await startOnFreePort(
      () => started(name),
      async () => {
        const wanted = ports[name] ?? 0;
        const others = new Set(Object.values(ports));
        ports[name] = await findFreePort(wanted, others);
        onMoved(name, wanted, ports[name]);
      },
    );
  }
  await rememberStackPorts(layout.portsFile, ports);
  const routed = declareRouters(routers, layout, parts, ports, hasPrometheus);
  await allOf(routers.map(({ name }) => started(`proxy-${name}`)));
  const places = [...targets.map((target) => toAgentPlace(target, ports)), ...routed];
  for (const agent of planAgents(plan, places)) {
    parts.add(agent.name, (onSpawn) => startPlanned(agent, onSpawn));
  }
  const agents = [...targets.filter(({ agent }) => agent !== false), ...routers];
  await allOf(agents.map(({ name }) => started(`agent-${name}`)));
  return toStack({ apiNames, layout, parts, ports, secrets, databaseUrls, tenant, engines }, plan);
}

async function endServices(layout: StackLayout): Promise<string[]> {
  const targets = await endOrphanedServices(layout.agentsDir);
  return targets.map((target) => `service of ${target}`);
}

/** Waits for all, also when one fails: what is still starting could not be ended otherwise. */
async function allOf(starts: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(starts);
  const failure = results.find((result) => result.status === 'rejected');
  if (failure !== undefined) {
    throw failure.reason;
  }
}

function toStack(
  made: {
    readonly apiNames: readonly string[];
    readonly layout: StackLayout;
    readonly parts: StackParts;
    readonly ports: StackPorts;
    readonly secrets: StackSecrets;
    readonly databaseUrls: Readonly<Record<string, string>>;
    readonly tenant: string;
    readonly engines: Engines;
  },
  { configFile }: AppPlan,
): Stack {
  const { layout, parts, ports, secrets, databaseUrls, tenant, engines } = made;
  const apiUrls = made.apiNames.map((name) => `http://127.0.0.1:${ports[name]}`);
  const [apiUrl = ''] = apiUrls;
  return {
    dataDir: layout.dataDir,
    layout,
    tenant,
    apiUrl,
    apiUrls,
    graphqlUrl: `${apiUrl}/graphql`,
    graphqlUrls: apiUrls.map((url) => `${url}/graphql`),
    explorerUrl: `${apiUrl}/explorer`,
    temporalAddress: engines.temporalAddress(),
    temporalNamespace: engines.temporalNamespace(),
    temporalUiUrl: engines.temporalUiUrl(),
    databaseUrls,
    tokens: secrets.tokens,
    trustRootFile: layout.trustRoot,
    configFile,
    names: parts.names,
    getServicePort: (target) => ports[servicePort(target)] ?? 0,
    getRouterPort: (router) => ports[routerPort(router)] ?? 0,
    getLogFile: (name) => logFileOf(layout, name),
    isRunning: (name) => parts.isRunning(name),
    getPid: (name) => parts.getPid(name),
    start: (name) => parts.start(name),
    stopPart: (name) => parts.stop(name),
    kill: (name, signal) => parts.kill(name, signal),
    pause: (name) => parts.kill(name, 'SIGSTOP'),
    resume: (name) => parts.kill(name, 'SIGCONT'),
    stop: async () => {
      await parts.stopAll();
      await endServices(layout);
    },
  };
}
