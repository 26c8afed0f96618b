import {
  APPROVED_PIPELINE,
  type ApprovalRule,
  DEFAULT_APPROVAL_RULE,
  DEFAULT_DEADLINES,
  DEFAULT_ROLLBACK_ROLES,
  type Deadlines,
  type Environment,
  isName,
  isPermitted,
  type Permission,
  ROLES,
  type Role,
  STANDARD_PIPELINE,
} from '@sluice/domain';
import { readEnvironmentPipeline } from './read-environment-pipeline.ts';
import { readWatch } from './read-watch.ts';
import { join, type ValueReader } from './value-reader.ts';

const MAX_ENTRIES = 1000;
const MAX_APPROVALS = 100;
const WEEK_SECONDS = 7 * 24 * 3600;
const DNS_LABEL = 'write a DNS label: a-z, 0-9 and -, at most 63';
const KEYS = [
  'name',
  'position',
  'pipeline',
  'parameters',
  'policy',
  'deadlines',
  'after',
  'approval',
  'rollback',
  'watch',
];

/** An environment as it stands in the file: `after` is undefined where it says nothing. */
type Draft = Omit<Environment, 'predecessors'> & { readonly after: readonly string[] | undefined };

/** Reads the environments of a configuration, each with those that come before it. */
export function readEnvironments(
  reader: ValueReader,
  value: unknown,
  policies: readonly string[],
): readonly Environment[] {
  const drafts = reader
    .list(value, 'environments', MAX_ENTRIES)
    .map((entry, index) => readDraft(reader, entry, `environments[${index}]`, policies));
  const at = (key: string) => (index: number) => `environments[${index}].${key}`;
  reader.unique(
    drafts.map(({ name }) => name),
    at('name'),
  );
  reader.unique(
    drafts.map(({ position }) => position),
    at('position'),
  );
  const names = new Set(drafts.map(({ name }) => name));
  const environments = drafts.map((draft, index) => {
    refuseUnknown(reader, draft, names, at('after')(index));
    const { after, ...rest } = draft;
    return { ...rest, predecessors: [...(after ?? nextLower(drafts, draft))].sort() };
  });
  refuseCircles(reader, environments);
  return environments;
}

function readDraft(
  reader: ValueReader,
  value: unknown,
  path: string,
  policies: readonly string[],
): Draft {
  const entry = reader.mapping(value, path, KEYS);
  const known = (name: string): boolean => policies.includes(name);
  const how = `write the name of a policy bundle: ${policies.join(', ')}`;
  const named = readEnvironmentPipeline(reader, entry, path);
  const { pipeline } = named;
  return {
    name: reader.text(entry.name, join(path, 'name'), isName, DNS_LABEL),
    position: reader.integer(entry.position, join(path, 'position'), 0, 1_000_000),
    ...named,
    policy: reader.text(entry.policy, join(path, 'policy'), known, how),
    deadlines: readDeadlines(reader, entry.deadlines ?? {}, join(path, 'deadlines')),
    after: entry.after === undefined ? undefined : readAfter(reader, entry.after, path),
    approval: readApproval(reader, entry.approval, join(path, 'approval'), pipeline),
    rollbackRoles: readRollback(reader, entry.rollback, join(path, 'rollback')),
    watch: readWatch(reader, entry.watch, join(path, 'watch')),
  };
}

function readDeadlines(reader: ValueReader, value: unknown, path: string): Deadlines {
  const names = Object.keys(DEFAULT_DEADLINES) as (keyof Deadlines)[];
  const entry = reader.mapping(value, path, names);
  const read = (name: keyof Deadlines): number =>
    reader.integer(entry[name], join(path, name), 1, WEEK_SECONDS, DEFAULT_DEADLINES[name]);
  return {
    promotionSeconds: read('promotionSeconds'),
    queueSeconds: read('queueSeconds'),
    scanSeconds: read('scanSeconds'),
    gateSeconds: read('gateSeconds'),
    deploySeconds: read('deploySeconds'),
    verifySeconds: read('verifySeconds'),
    revertSeconds: read('revertSeconds'),
  };
}

function readAfter(reader: ValueReader, value: unknown, path: string): readonly string[] {
  const place = join(path, 'after');
  const names = reader
    .list(value, place, MAX_ENTRIES)
    .map((name, index) => reader.text(name, `${place}[${index}]`, isName, DNS_LABEL));
  reader.unique(names, (index) => `${place}[${index}]`);
  return names;
}

function readApproval(
  reader: ValueReader,
  value: unknown,
  path: string,
  pipeline: string,
): ApprovalRule | null {
  // Of a team's pipeline it is judged when the pipeline is known.
  if (value === undefined && pipeline !== APPROVED_PIPELINE.name) return null;
  if (pipeline === STANDARD_PIPELINE.name) {
    if (value !== undefined) {
      reader.refuse(
        path,
        `the pipeline ${pipeline} asks nobody`,
        `remove it, or write pipeline: ${APPROVED_PIPELINE.name}`,
      );
    }
    return null;
  }
  const entry = reader.mapping(value === undefined ? {} : value, path, [
    'count',
    'roles',
    'deadlineSeconds',
  ]);
  const { count, roles, deadlineSeconds } = DEFAULT_APPROVAL_RULE;
  return {
    count: reader.integer(entry.count, join(path, 'count'), 1, MAX_APPROVALS, count),
    roles: readRoles(reader, entry.roles, join(path, 'roles'), 'promotion.decide', roles),
    deadlineSeconds: reader.integer(
      entry.deadlineSeconds,
      join(path, 'deadlineSeconds'),
      1,
      WEEK_SECONDS,
      deadlineSeconds,
    ),
  };
}

function readRollback(reader: ValueReader, value: unknown, path: string): readonly Role[] {
  if (value === undefined) return DEFAULT_ROLLBACK_ROLES;
  const { roles } = reader.mapping(value, path, ['roles']);
  const place = join(path, 'roles');
  return readRoles(reader, roles, place, 'environment.rollback', DEFAULT_ROLLBACK_ROLES);
}

/** Roles, sorted; a role that may never do it would promise what cannot be. */
function readRoles(
  reader: ValueReader,
  value: unknown,
  path: string,
  permission: Permission,
  fallback: readonly Role[],
): readonly Role[] {
  if (value === undefined) return fallback;
  const able = ROLES.filter((role) => isPermitted(role, permission));
  const entries = reader.list(value, path, MAX_ENTRIES);
  if (Array.isArray(value) && value.length === 0) {
    reader.refuse(path, 'is an empty list', `write one of ${able.join(', ')} at least`);
  }
  const roles = entries.map((role, index) => reader.word(role, `${path}[${index}]`, able));
  // What was refused reads as the first word, and is no duplicate of it.
  const given = entries.filter((role): role is string => typeof role === 'string');
  if (given.length === entries.length) reader.unique(given, (index) => `${path}[${index}]`);
  return [...roles].sort();
}

function nextLower(drafts: readonly Draft[], { position }: Draft): readonly string[] {
  const lower = drafts.filter((other) => other.position < position);
  const next = lower.reduce<Draft | undefined>(
    (best, other) => (best === undefined || other.position > best.position ? other : best),
    undefined,
  );
  return next === undefined ? [] : [next.name];
}

function refuseUnknown(
  reader: ValueReader,
  { name, after }: Draft,
  names: ReadonlySet<string>,
  path: string,
): void {
  for (const [index, other] of (after ?? []).entries()) {
    // An empty text was refused already.
    if (other === '') continue;
    const place = `${path}[${index}]`;
    if (other === name) reader.refuse(place, 'is the environment itself', 'remove it');
    else if (!names.has(other)) {
      reader.refuse(place, `is "${other}"`, 'write the name of an environment of this file');
    }
  }
}

/** Notes each environment that could only be reached through itself. */
function refuseCircles(reader: ValueReader, environments: readonly Environment[]): void {
  const byName = new Map(environments.map((environment) => [environment.name, environment]));
  const open = new Set(byName.keys());
  let progress = true;
  while (progress) {
    progress = false;
    for (const name of open) {
      const before = byName.get(name)?.predecessors ?? [];
      if (before.every((other) => other === name || !open.has(other))) {
        open.delete(name);
        progress = true;
      }
    }
  }
  for (const [index, { name, predecessors }] of environments.entries()) {
    if (!open.has(name)) continue;
    const before = predecessors.filter((other) => open.has(other)).join(' and ');
    reader.refuse(
      `environments[${index}].after`,
      `${name} comes after ${before}, which can't be reached without a circle`,
      'name environments that come before it, or [] for none',
    );
  }
}
