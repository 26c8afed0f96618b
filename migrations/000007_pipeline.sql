-- Pipelines as data: templates that teams publish, what a promotion runs of them, members of matrices, and logs of steps.
set local role sluice_owner;

-- A version is published once, and nobody may change or remove it: that is what the grants of the first migration say.
alter table sluice.pipelines
  -- Null of what the configuration or Sluice itself brings.
  add column published_by text,
  add column published_at timestamptz not null default now();

alter table sluice.environments
  -- Null: the newest.
  add column pipeline_version integer check (pipeline_version > 0),
  add column pipeline_parameters jsonb not null default '{}' check (jsonb_typeof(pipeline_parameters) = 'object');
grant update (pipeline_version, pipeline_parameters) on sluice.environments to sluice_app;

alter table sluice.promotions
  -- Given with the request, by name.
  add column parameters jsonb not null default '{}' check (jsonb_typeof(parameters) = 'object'),
  -- Labels of its targets, by name, as they were when its rules were frozen.
  add column target_labels jsonb,
  add check (kind = 'promote' or parameters = '{}');
grant update (target_labels) on sluice.promotions to sluice_worker;

-- A promotion whose pipeline makes the release begins with the release `nothing`, and is bound to the made one once.
create function sluice.keep_release() returns trigger language plpgsql as $$
begin
  if new.release_digest is distinct from old.release_digest and not (
    old.kind = 'promote' and old.ended_at is null
    and old.release_digest = 'sha256:94bc51a60f2c0c58e26f135cd1047155ae9c29dbde86051ff282920e0777c066'
    and not exists (select from sluice.plan_sets p
      where p.tenant_id = old.tenant_id and p.promotion_id = old.promotion_id))
  then
    raise exception 'Promotion % keeps its release.', old.promotion_id using errcode = 'check_violation';
  end if;
  return new;
end $$;
create trigger promotions_keep_release before update of release_digest on sluice.promotions
  for each row execute function sluice.keep_release();
revoke all on function sluice.keep_release() from public;
grant update (release_digest) on sluice.promotions to sluice_worker;

-- What promotions run: templates with everything resolved, by digest.
create table sluice.resolved_pipelines (
  tenant_id text not null references sluice.tenants,
  pipeline_digest text not null check (pipeline_digest ~ '^sha256:[0-9a-f]{64}$'),
  body jsonb not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, pipeline_digest)
);

alter table sluice.promotion_steps drop constraint promotion_steps_state_check;
alter table sluice.promotion_steps add constraint promotion_steps_state_check
  check (state in ('pending', 'running', 'waiting', 'succeeded', 'partial', 'failed', 'skipped', 'cancelled', 'reverted'));
alter table sluice.promotion_steps
  -- Typed outputs by name, as the step's type declares them; those that are digests stand in `outputs` too.
  add column output_values jsonb not null default '{}',
  -- How often it began; of a step with members those count for themselves.
  add column attempts integer not null default 0 check (attempts >= 0),
  -- The newest round in which it began; 0 before it did.
  add column begun_round integer not null default 0 check (begun_round >= 0),
  -- How often putting it back said that it failed.
  add column failed_undos integer not null default 0 check (failed_undos >= 0);
grant update (output_values, attempts, begun_round, failed_undos) on sluice.promotion_steps to sluice_worker;

-- A promotion's commands to one target, and the one whose report completes an activity, among those to ten thousand.
drop index sluice.commands_by_promotion;
create index commands_by_promotion on sluice.commands (tenant_id, promotion_id, target_id, sequence);
create index commands_by_activity on sluice.commands (tenant_id, run_id, activity_id);

drop index sluice.effects_by_promotion;
create index effects_by_step on sluice.effects (tenant_id, promotion_id, step_id, idempotency_key);

-- Several steps of one promotion can ask for approval of one plan: a person counts once for each of them.
-- Null where it was recorded before there could be several: then it counts for every one.
alter table sluice.approvals add column step_id text;
drop index sluice.approvals_once;
create unique index approvals_once on sluice.approvals
  (tenant_id, promotion_id, plan_set_digest, round, person_id, step_id) nulls not distinct where state = 'recorded';
grant update (step_id) on sluice.approvals to sluice_worker;

-- One member of a step that runs once for each target or value.
create table sluice.step_members (
  tenant_id text not null,
  promotion_id text not null,
  step_id text not null,
  round integer not null check (round > 0),
  member_index integer not null check (member_index between 0 and 9999),
  -- A target's name, or the index as text.
  member_key text not null check (length(member_key) between 1 and 63),
  target_id text,
  -- What the step reads as `matrix`.
  value jsonb not null,
  state text not null default 'pending' check (state in ('pending', 'running', 'succeeded', 'denied', 'failed',
    'cancelled', 'skipped', 'reverted')),
  reason_code text,
  reason_message text,
  -- Typed outputs by name.
  output_values jsonb not null default '{}',
  -- How often it began.
  attempts integer not null default 0 check (attempts >= 0),
  -- How often putting it back said that it failed.
  failed_undos integer not null default 0 check (failed_undos >= 0),
  started_at timestamptz,
  ended_at timestamptz,
  primary key (tenant_id, promotion_id, step_id, round, member_index),
  unique (tenant_id, promotion_id, step_id, round, member_key),
  foreign key (tenant_id, promotion_id, step_id) references sluice.promotion_steps,
  foreign key (tenant_id, target_id) references sluice.targets,
  check (target_id is null or target_id = member_key)
);
create index step_members_by_state on sluice.step_members (tenant_id, promotion_id, step_id, round, state, member_index);

-- What a step wrote for the team, one row for each attempt of each execution that wrote something.
create table sluice.step_logs (
  tenant_id text not null,
  promotion_id text not null,
  step_id text not null,
  round integer not null check (round > 0),
  -- Empty where the step has no members.
  member_key text not null check (length(member_key) <= 63),
  stream text not null check (stream in ('run', 'compensation')),
  attempt integer not null check (attempt > 0),
  -- Of the whole log in the evidence store; null until it has ended.
  log_digest text check (log_digest ~ '^sha256:[0-9a-f]{64}$'),
  bytes bigint not null default 0 check (bytes >= 0),
  -- Left out beyond the bound.
  truncated_bytes bigint not null default 0 check (truncated_bytes >= 0),
  started_at timestamptz not null default now(),
  ended_at timestamptz,
  primary key (tenant_id, promotion_id, step_id, round, member_key, stream, attempt),
  foreign key (tenant_id, promotion_id, step_id) references sluice.promotion_steps,
  check ((log_digest is null) = (ended_at is null))
);
create index step_logs_open on sluice.step_logs (tenant_id, promotion_id, step_id) where ended_at is null;

-- What is written while it runs, for who reads along; removed when the whole log is kept.
create table sluice.step_log_chunks (
  tenant_id text not null,
  promotion_id text not null,
  step_id text not null,
  round integer not null,
  member_key text not null,
  stream text not null,
  attempt integer not null,
  sequence integer not null check (sequence > 0),
  -- Place of its first byte in the whole log; one after the other, chunks are the log.
  byte_offset bigint not null check (byte_offset >= 0),
  content text not null check (octet_length(content) between 1 and 32768),
  written_at timestamptz not null default now(),
  primary key (tenant_id, promotion_id, step_id, round, member_key, stream, attempt, sequence),
  unique (tenant_id, promotion_id, step_id, round, member_key, stream, attempt, byte_offset),
  foreign key (tenant_id, promotion_id, step_id, round, member_key, stream, attempt) references sluice.step_logs
);

do $$
declare t text;
begin
  foreach t in array array['resolved_pipelines', 'step_members', 'step_logs', 'step_log_chunks']
  loop
    execute format('alter table sluice.%I enable row level security', t);
    execute format('alter table sluice.%I force row level security', t);
    execute format('create policy tenant_isolation on sluice.%I using (tenant_id = sluice.current_tenant())', t);
  end loop;
end $$;

grant select, insert on
  sluice.resolved_pipelines, sluice.step_members, sluice.step_logs, sluice.step_log_chunks to sluice_worker;
grant update (state, reason_code, reason_message, output_values, attempts, failed_undos, started_at, ended_at)
  on sluice.step_members to sluice_worker;
grant update (log_digest, bytes, truncated_bytes, ended_at) on sluice.step_logs to sluice_worker;
grant delete on sluice.step_log_chunks to sluice_worker;
grant select on
  sluice.resolved_pipelines, sluice.step_members, sluice.step_logs, sluice.step_log_chunks to sluice_app;

-- A shard is a workflow of its promotion: `shard/<tenant>/<environment>/<number>/<step>/<round>/<first member>`.
alter table sluice.workflow_executions alter column promotion_id set expression as (
  case when workflow_id ~ '^(promotion|settlement)/' then regexp_replace(workflow_id, '^[a-z]+/[^/]+/', '')
       when workflow_id ~ '^shard/' then substring(workflow_id from '^shard/[^/]+/([^/]+/[^/]+)/') end);
alter table sluice.workflow_histories alter column promotion_id set expression as (
  case when workflow_id ~ '^(promotion|settlement)/' then regexp_replace(workflow_id, '^[a-z]+/[^/]+/', '')
       when workflow_id ~ '^shard/' then substring(workflow_id from '^shard/[^/]+/([^/]+/[^/]+)/') end);
alter table sluice.workflow_problems alter column promotion_id set expression as (
  case when workflow_id ~ '^(promotion|settlement)/' then regexp_replace(workflow_id, '^[a-z]+/[^/]+/', '')
       when workflow_id ~ '^shard/' then substring(workflow_id from '^shard/[^/]+/([^/]+/[^/]+)/') end);
