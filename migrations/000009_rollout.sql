-- Rollouts: how releases reach targets in stages, who steers them, where requests go, what is measured, and how much may be away at a time.
set local role sluice_owner;

-- A router is a target that no release is put on: its agent moves requests.
alter table sluice.targets drop constraint targets_kind_check;
alter table sluice.targets add constraint targets_kind_check
  check (kind in ('linux-host', 'haproxy', 'nginx', 'caddy', 'traefik'));
alter table sluice.commands drop constraint commands_kind_check;
alter table sluice.commands add constraint commands_kind_check check (kind in ('deploy', 'revert', 'route'));

alter table sluice.environments
  -- How long a release is watched after it is out, and by what; null: it is not.
  add column watch jsonb check (jsonb_typeof(watch) = 'object');
grant update (watch) on sluice.environments to sluice_app;

create table sluice.rollouts (
  tenant_id text not null,
  promotion_id text not null,
  step_id text not null,
  round integer not null check (round > 0),
  strategy text not null check (strategy in ('all-at-once', 'rolling', 'waves', 'canary', 'blue-green', 'ab')),
  -- The layout that the interpreter goes by, with the names of the members.
  layout jsonb not null,
  -- The inputs as they were found: metrics, matches and the like.
  inputs jsonb not null,
  state text not null default 'running'
    check (state in ('running', 'paused', 'completed', 'failed', 'aborted', 'cancelled')),
  stage integer not null default 0 check (stage between 0 and 49),
  phase text not null default 'gate' check (phase in ('gate', 'deploy', 'traffic', 'soak', 'held')),
  reason_code text,
  reason_message text,
  -- Where requests went before it; null where no router had a table.
  route_before jsonb,
  started_at timestamptz not null default now(),
  changed_at timestamptz not null default now(),
  ended_at timestamptz,
  primary key (tenant_id, promotion_id, step_id, round),
  foreign key (tenant_id, promotion_id, step_id) references sluice.promotion_steps,
  check ((ended_at is null) = (state in ('running', 'paused')))
);
create index rollouts_open on sluice.rollouts (tenant_id, promotion_id) where ended_at is null;

-- What people did, or tried to do.
create table sluice.rollout_steers (
  tenant_id text not null,
  steer_id text not null,
  promotion_id text not null,
  step_id text not null,
  action text not null check (action in ('pause', 'resume', 'skip', 'abort', 'promote')),
  principal_id text not null,
  person_id text not null,
  comment text not null check (length(comment) <= 500),
  state text not null default 'asked' check (state in ('asked', 'recorded', 'refused')),
  -- Where it met the rollout; only the promotion knows.
  round integer check (round > 0),
  stage integer check (stage between 0 and 49),
  refusal_code text,
  refusal_message text,
  asked_at timestamptz not null default now(),
  decided_at timestamptz,
  primary key (tenant_id, steer_id),
  foreign key (tenant_id, promotion_id, step_id) references sluice.promotion_steps,
  check ((state = 'asked') = (decided_at is null)),
  check ((state = 'refused') = (refusal_code is not null)),
  check ((state = 'recorded') = (round is not null and stage is not null)),
  check ((round is null) = (stage is null))
);
create index rollout_steers_by_step on sluice.rollout_steers (tenant_id, promotion_id, step_id, asked_at);

-- What a stage's watching saw: the document is in the evidence store.
create table sluice.analyses (
  tenant_id text not null,
  promotion_id text not null,
  step_id text not null,
  round integer not null,
  stage integer not null check (stage between 0 and 49),
  outcome text not null check (outcome in ('pass', 'fail', 'inconclusive')),
  score double precision check (score between 0 and 100),
  reason_code text,
  reason_message text,
  document_digest text check (document_digest ~ '^sha256:[0-9a-f]{64}$'),
  started_at timestamptz not null,
  ended_at timestamptz not null,
  primary key (tenant_id, promotion_id, step_id, round, stage),
  foreign key (tenant_id, promotion_id, step_id, round) references sluice.rollouts
);

-- Where a router's requests go, as its agent last confirmed.
create table sluice.routes (
  tenant_id text not null,
  target_id text not null,
  route_table jsonb not null,
  table_digest text not null check (table_digest ~ '^sha256:[0-9a-f]{64}$'),
  promotion_id text not null,
  command_digest text not null,
  since timestamptz not null default now(),
  primary key (tenant_id, target_id),
  foreign key (tenant_id, target_id) references sluice.targets,
  foreign key (tenant_id, promotion_id) references sluice.promotions
);

-- Each change of it: shares over time.
create table sluice.route_changes (
  tenant_id text not null,
  command_digest text not null,
  target_id text not null,
  promotion_id text not null,
  step_id text not null,
  round integer not null check (round > 0),
  -- Null: put back.
  stage integer check (stage between 0 and 49),
  canary_permille integer not null check (canary_permille between 0 and 1000),
  route_table jsonb not null,
  state text not null default 'dispatched' check (state in ('dispatched', 'confirmed', 'reverted', 'refused')),
  failure_code text,
  failure_message text,
  dispatched_at timestamptz not null default now(),
  settled_at timestamptz,
  primary key (tenant_id, command_digest),
  foreign key (tenant_id, target_id) references sluice.targets,
  foreign key (tenant_id, promotion_id, step_id) references sluice.promotion_steps
);
create index route_changes_by_promotion on sluice.route_changes (tenant_id, promotion_id, dispatched_at);

-- What agents measured of their own service, in short intervals; kept for a time.
create table sluice.probe_samples (
  tenant_id text not null,
  target_id text not null,
  -- Beginning of the interval, by the agent's clock.
  sampled_at timestamptz not null,
  seconds integer not null check (seconds between 1 and 60),
  requests integer not null check (requests >= 0),
  errors integer not null check (errors between 0 and requests),
  -- Milliseconds; null without an answer.
  p50_ms double precision,
  p90_ms double precision,
  p99_ms double precision,
  active_release text,
  received_at timestamptz not null default now(),
  primary key (tenant_id, target_id, sampled_at),
  foreign key (tenant_id, target_id) references sluice.targets
);
create index probe_samples_by_time on sluice.probe_samples (tenant_id, sampled_at);

-- How many targets of a kind may be without a working version at a time, over all promotions.
create table sluice.disruption_budgets (
  tenant_id text not null references sluice.tenants,
  budget_id text not null,
  selector jsonb not null check (jsonb_typeof(selector) = 'object'),
  max_unavailable integer check (max_unavailable >= 0),
  max_unavailable_percent integer check (max_unavailable_percent between 0 and 100),
  -- A target whose agent was silent for so long counts as away.
  offline_seconds integer not null default 60 check (offline_seconds > 0),
  removed_at timestamptz,
  primary key (tenant_id, budget_id),
  check (num_nonnulls(max_unavailable, max_unavailable_percent) = 1)
);

create table sluice.budget_claims (
  tenant_id text not null,
  budget_id text not null,
  target_id text not null,
  promotion_id text not null,
  claimed_at timestamptz not null default now(),
  primary key (tenant_id, budget_id, target_id),
  foreign key (tenant_id, budget_id) references sluice.disruption_budgets,
  foreign key (tenant_id, target_id) references sluice.targets,
  foreign key (tenant_id, promotion_id) references sluice.promotions
);
create index budget_claims_by_promotion on sluice.budget_claims (tenant_id, promotion_id);

-- A release that is watched after it is out.
create table sluice.release_watches (
  tenant_id text not null,
  promotion_id text not null,
  -- What holds for it, as the environment said when it began.
  rules jsonb not null,
  state text not null default 'watching'
    check (state in ('watching', 'held', 'alarmed', 'superseded', 'failed')),
  reason_code text,
  reason_message text,
  -- The rollback that it opened.
  rollback_id text,
  since timestamptz not null default now(),
  until timestamptz not null,
  -- How far the watching has come.
  looked_at timestamptz,
  rounds integer not null default 0 check (rounds >= 0),
  blind_seconds integer not null default 0 check (blind_seconds >= 0),
  blind_code text,
  blind_message text,
  progress jsonb not null default '{}' check (jsonb_typeof(progress) = 'object'),
  ended_at timestamptz,
  primary key (tenant_id, promotion_id),
  foreign key (tenant_id, promotion_id) references sluice.promotions,
  foreign key (tenant_id, rollback_id) references sluice.promotions (tenant_id, promotion_id),
  check ((state = 'watching') = (ended_at is null))
);

do $$
declare t text;
begin
  foreach t in array array['rollouts', 'rollout_steers', 'analyses', 'routes', 'route_changes', 'probe_samples',
    'disruption_budgets', 'budget_claims', 'release_watches']
  loop
    execute format('alter table sluice.%I enable row level security', t);
    execute format('alter table sluice.%I force row level security', t);
    execute format('create policy tenant_isolation on sluice.%I using (tenant_id = sluice.current_tenant())', t);
  end loop;
end $$;

grant select on sluice.rollouts, sluice.rollout_steers, sluice.analyses, sluice.routes, sluice.route_changes, sluice.probe_samples,
  sluice.disruption_budgets, sluice.budget_claims, sluice.release_watches to sluice_app, sluice_worker;
grant select on sluice.rollouts, sluice.routes, sluice.route_changes, sluice.disruption_budgets, sluice.release_watches to sluice_signer;
grant insert on sluice.rollouts, sluice.analyses, sluice.routes, sluice.route_changes, sluice.budget_claims, sluice.release_watches
  to sluice_worker;
grant update (state, stage, phase, reason_code, reason_message, route_before, changed_at, ended_at) on sluice.rollouts to sluice_worker;
grant insert on sluice.rollout_steers, sluice.probe_samples, sluice.disruption_budgets to sluice_app;
-- The API can refuse what it asked, not record it: no recorded row is without a stage.
grant update (state, refusal_code, refusal_message, decided_at) on sluice.rollout_steers to sluice_app, sluice_worker;
grant update (round, stage) on sluice.rollout_steers to sluice_worker;
-- A stage that was resumed is watched again.
grant update (outcome, score, reason_code, reason_message, document_digest, started_at, ended_at) on sluice.analyses to sluice_worker;
grant update (route_table, table_digest, promotion_id, command_digest, since) on sluice.routes to sluice_worker;
grant update (state, failure_code, failure_message, settled_at) on sluice.route_changes to sluice_worker;
grant delete on sluice.probe_samples, sluice.budget_claims to sluice_worker;
grant update (selector, max_unavailable, max_unavailable_percent, offline_seconds, removed_at) on sluice.disruption_budgets to sluice_app;
grant update (max_unavailable) on sluice.disruption_budgets to sluice_worker;
grant update (state, reason_code, reason_message, rollback_id, looked_at, rounds, blind_seconds, blind_code, blind_message, progress,
  ended_at) on sluice.release_watches to sluice_worker;

-- An alarm after the end opens a rollback; the worker opens nothing else.
grant insert on sluice.promotions to sluice_worker;
grant update (last_promotion_number) on sluice.environments to sluice_worker;
create policy worker_opens_watch_rollbacks on sluice.promotions as restrictive for insert to sluice_worker
  with check (kind = 'rollback' and requested_by = 'system:watch');
