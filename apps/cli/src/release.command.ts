import { randomUUID } from 'node:crypto';
import { isDigest } from '@sluice/domain';
import type { Command } from 'commander';
import type { ApiClient } from './api-client.ts';
import type { CliIo } from './cli-io.ts';
import { act, assertNotRefused, type CommandContext, wholeNumber } from './command-context.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import {
  OPERATIONS,
  type RefusalView,
  type ReleaseRequestView,
  type ReleaseView,
} from './operations.ts';
import { table, wrapped } from './text-layout.ts';

const POLL_MS = 1000;

interface CreateOptions {
  readonly component: readonly string[];
  readonly idempotencyKey?: string;
  readonly wait: string;
}

interface ListOptions {
  readonly name?: string;
  readonly first: string;
  readonly after?: string;
}

/** Adds `sluice release …`. */
export function addReleaseCommands(
  program: Command,
  io: CliIo,
  settle: (exitCode: ExitCode) => void,
): void {
  const release = program.command('release').description('immutable sets of component versions');
  const create = release
    .command('create <name> <version>')
    .description('resolve tags to digests once, and make a release')
    .requiredOption(
      '-c, --component <name=source:reference>',
      'a component, from a source of the configuration, by tag or digest; repeatable',
      (value: string, before: readonly string[]) => [...before, value],
      [],
    )
    .option('--idempotency-key <key>', 'the same key gives the first answer (default: a new one)')
    .option('--wait <seconds>', 'how long to wait for the answer', '60');
  act<CreateOptions>(create, io, settle, createRelease);
  const list = release
    .command('list')
    .description('releases, newest first')
    .option('--name <name>', 'only releases of this name')
    .option('--first <count>', 'how many, at most 100', '20')
    .option('--after <cursor>', 'go on after a page');
  act<ListOptions>(list, io, settle, listReleases);
  const show = release
    .command('show <release>')
    .description('one release: its digest, or name@version');
  act(show, io, settle, async (context, _, [reference = '']) => {
    const found = await getRelease(context.api(), reference);
    context.print(found, () => describeRelease(found));
    return EXIT_CODES.ok;
  });
}

/**
 * A release by its digest or by `name@version`.
 * @throws CliError `release-not-found`, `release-reference-invalid`
 */
export async function getRelease(api: ApiClient, reference: string): Promise<ReleaseView> {
  const [name, version, rest] = reference.split('@');
  let found: ReleaseView | null;
  if (isDigest(reference)) {
    const data = { id: reference };
    found = (await api.run<{ release: ReleaseView | null }>(OPERATIONS.release, data)).release;
  } else if (name && version && rest === undefined) {
    const data = { name, version };
    const answer = await api.run<{ releaseByVersion: ReleaseView | null }>(
      OPERATIONS.releaseByVersion,
      data,
    );
    found = answer.releaseByVersion;
  } else {
    const message = `"${reference}" names no release.`;
    const next = 'Write its digest (sha256:…) or name@version.';
    throw new CliError(EXIT_CODES.usage, 'release-reference-invalid', message, next);
  }
  if (found !== null) return found;
  const message = `There is no release ${reference}.`;
  throw new CliError(EXIT_CODES.failed, 'release-not-found', message, 'See sluice release list.');
}

async function createRelease(
  context: CommandContext,
  options: CreateOptions,
  [name = '', version = '']: readonly string[],
): Promise<ExitCode> {
  const seconds = wholeNumber(options.wait, '--wait', 0, 3600);
  const api = context.api();
  const input = {
    name,
    version,
    components: options.component.map(parseComponent),
    idempotencyKey: options.idempotencyKey ?? randomUUID(),
  };
  const { createRelease: answer } = await api.run<{
    createRelease: (ReleaseRequestView & { __typename: 'ReleaseRequest' }) | RefusalView;
  }>(OPERATIONS.createRelease, { input });
  assertNotRefused(answer, 'ReleaseRequest');
  const request = await settled(context, api, answer, seconds);
  context.print(request, () =>
    request.release === null
      ? `Release request ${request.id} is still resolving.\n`
      : describeRelease(request.release),
  );
  return EXIT_CODES.ok;
}

async function settled(
  { io }: CommandContext,
  api: ApiClient,
  first: ReleaseRequestView,
  seconds: number,
): Promise<ReleaseRequestView> {
  const deadline = io.now() + seconds * 1000;
  let request = first;
  while (request.state === 'RESOLVING' && io.now() < deadline) {
    io.err(`Release request ${request.id}: resolving …\n`);
    await io.sleep(POLL_MS);
    const { releaseRequest } = await api.run<{ releaseRequest: ReleaseRequestView | null }>(
      OPERATIONS.releaseRequest,
      { id: request.id },
    );
    request = releaseRequest ?? request;
  }
  if (request.state === 'REFUSED') {
    const { code, message } = request.refusal ?? { code: 'refused', message: 'No reason given.' };
    throw new CliError(EXIT_CODES.failed, code, message);
  }
  return request;
}

function parseComponent(text: string): { name: string; source: string; reference: string } {
  const [, name, source, reference] = /^([^=]+)=([^:]+):(.+)$/.exec(text) ?? [];
  if (name !== undefined && source !== undefined && reference !== undefined) {
    return { name, source, reference };
  }
  throw new CliError(
    EXIT_CODES.usage,
    'component-invalid',
    `"${text}" is no component.`,
    'Write name=source:reference, such as web=samples:1.0.0.',
  );
}

async function listReleases(context: CommandContext, options: ListOptions): Promise<ExitCode> {
  const first = wholeNumber(options.first, '--first', 1, 100);
  const { name, after } = options;
  const { releases } = await context.api().run<{
    releases: {
      edges: { node: ReleaseView }[];
      pageInfo: { hasNextPage: boolean; endCursor: string | null };
    };
  }>(OPERATIONS.releases, { first, name, after });
  const list = releases.edges.map(({ node }) => node);
  const { hasNextPage, endCursor } = releases.pageInfo;
  context.print({ releases: list, next: hasNextPage ? endCursor : null }, () => {
    if (list.length === 0) return 'No releases yet: sluice release create.\n';
    const rows = list.map((release) => [
      `${release.name}@${release.version}`,
      release.createdAt.slice(0, 19),
      release.createdBy,
      release.id,
    ]);
    const columns = [{ title: 'RELEASE' }, { title: 'CREATED' }, { title: 'BY' }];
    const more = hasNextPage ? `More: --after ${endCursor}\n` : '';
    return table([...columns, { title: 'ID', shrinks: true }], rows) + more;
  });
  return EXIT_CODES.ok;
}

function describeRelease(release: ReleaseView): string {
  const { name, version, id, createdBy, createdAt, components } = release;
  const head = `${name}@${version}\n  id       ${id}\n`;
  const rows = components.map((c) => [c.name, c.kind.toLowerCase(), c.version, c.digest]);
  const columns = [{ title: 'COMPONENT' }, { title: 'KIND' }, { title: 'VERSION' }];
  return (
    head +
    wrapped(`  created  ${createdAt} by ${createdBy}`, 11) +
    table([...columns, { title: 'DIGEST', shrinks: true }], rows)
  );
}
