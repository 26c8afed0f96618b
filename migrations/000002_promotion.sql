-- Releases, promotions, their steps, decisions, plans, leases, evidence and effects.
set local role sluice_owner;

create table sluice.evidence (
  tenant_id text not null references sluice.tenants,
  digest text not null check (digest ~ '^sha256:[0-9a-f]{64}$'),
  media_type text not null,
  size bigint not null check (size >= 0),
  created_at timestamptz not null default now(),
  primary key (tenant_id, digest)
);

create table sluice.releases (
  tenant_id text not null references sluice.tenants,
  release_digest text not null check (release_digest ~ '^sha256:[0-9a-f]{64}$'),
  name text not null,
  version text not null,
  body jsonb not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, release_digest),
  unique (tenant_id, name, version)
);
create index releases_by_time on sluice.releases (tenant_id, created_at, release_digest);
create index releases_by_name on sluice.releases (tenant_id, name, created_at, release_digest);

create table sluice.release_requests (
  tenant_id text not null references sluice.tenants,
  request_id text not null,
  state text not null check (state in ('resolving', 'created', 'refused')),
  body jsonb not null,
  release_digest text,
  refusal_code text,
  refusal_message text,
  requested_by text not null,
  trace_id text,
  created_at timestamptz not null default now(),
  settled_at timestamptz,
  primary key (tenant_id, request_id),
  foreign key (tenant_id, release_digest) references sluice.releases,
  check ((state = 'created') = (release_digest is not null)),
  check ((state = 'refused') = (refusal_code is not null))
);

create table sluice.promotions (
  tenant_id text not null,
  promotion_id text not null,
  environment_id text not null,
  number integer not null,
  release_digest text not null,
  kind text not null check (kind in ('promote', 'rollback')),
  state text not null check (state in ('requested', 'queued', 'running', 'waiting', 'succeeded', 'denied',
    'failed', 'reverted', 'cancelled')),
  reason_code text,
  reason_message text,
  rules jsonb,
  requested_by text not null,
  traceparent text not null,
  requested_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at timestamptz,
  cancel_requested_at timestamptz,
  packet_digest text,
  primary key (tenant_id, promotion_id),
  unique (tenant_id, environment_id, number),
  foreign key (tenant_id, environment_id) references sluice.environments,
  foreign key (tenant_id, release_digest) references sluice.releases
);
create index promotions_by_time on sluice.promotions (tenant_id, requested_at, promotion_id);
create index promotions_by_release on sluice.promotions (tenant_id, release_digest, requested_at, promotion_id);

create table sluice.promotion_steps (
  tenant_id text not null,
  promotion_id text not null,
  step_id text not null,
  ordinal integer not null check (ordinal >= 0),
  type text not null,
  state text not null check (state in ('pending', 'running', 'waiting', 'succeeded', 'failed', 'skipped',
    'cancelled', 'reverted')),
  reason_code text,
  reason_message text,
  outputs jsonb not null default '{}',
  started_at timestamptz,
  ended_at timestamptz,
  primary key (tenant_id, promotion_id, step_id),
  foreign key (tenant_id, promotion_id) references sluice.promotions
);

-- One row per effect that was done, with its result: what makes a retried activity repeat nothing.
create table sluice.effects (
  tenant_id text not null,
  idempotency_key text not null,
  promotion_id text not null,
  step_id text not null,
  target_id text,
  result jsonb not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, idempotency_key),
  foreign key (tenant_id, promotion_id) references sluice.promotions
);
create index effects_by_promotion on sluice.effects (tenant_id, promotion_id);

create table sluice.decisions (
  tenant_id text not null,
  promotion_id text not null,
  step_id text not null,
  decision text not null check (decision in ('allow', 'deny', 'pending')),
  reason_codes text[] not null,
  policy_digest text not null,
  input_digest text not null,
  determinism_hash text not null,
  evaluated_at timestamptz not null,
  body jsonb not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, promotion_id, step_id),
  foreign key (tenant_id, promotion_id) references sluice.promotions
);

create table sluice.plans (
  tenant_id text not null references sluice.tenants,
  plan_digest text not null,
  body jsonb not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, plan_digest)
);

-- One target's part of a promotion.
create table sluice.deployments (
  tenant_id text not null,
  promotion_id text not null,
  target_id text not null,
  plan_digest text not null,
  state text not null check (state in ('planned', 'dispatched', 'confirmed', 'reverted', 'refused', 'lost')),
  failure_code text,
  failure_message text,
  created_at timestamptz not null default now(),
  settled_at timestamptz,
  primary key (tenant_id, promotion_id, target_id),
  foreign key (tenant_id, promotion_id) references sluice.promotions,
  foreign key (tenant_id, target_id) references sluice.targets,
  foreign key (tenant_id, plan_digest) references sluice.plans
);
create index deployments_by_target on sluice.deployments (tenant_id, target_id, created_at desc);

-- What is verified to run on a target.
create table sluice.current_releases (
  tenant_id text not null,
  target_id text not null,
  release_digest text,
  promotion_id text not null,
  side jsonb,
  since timestamptz not null default now(),
  primary key (tenant_id, target_id),
  foreign key (tenant_id, target_id) references sluice.targets,
  foreign key (tenant_id, promotion_id) references sluice.promotions
);

-- Fencing tokens never go down: the row stays when nobody holds it.
create table sluice.leases (
  tenant_id text not null references sluice.tenants,
  resource text not null,
  holder text,
  fencing_token bigint not null default 0 check (fencing_token >= 0),
  acquired_at timestamptz,
  primary key (tenant_id, resource)
);

create table sluice.lease_queue (
  tenant_id text not null,
  resource text not null,
  holder text not null,
  place bigint generated always as identity,
  ready boolean not null default true,
  enqueued_at timestamptz not null default now(),
  primary key (tenant_id, resource, holder),
  foreign key (tenant_id, resource) references sluice.leases
);
create index lease_queue_by_place on sluice.lease_queue (tenant_id, resource, place);

create table sluice.statements (
  tenant_id text not null,
  statement_digest text not null,
  promotion_id text not null,
  step_id text,
  target_id text,
  predicate_type text not null,
  envelope jsonb not null,
  created_at timestamptz not null default now(),
  ordinal bigint generated always as identity,
  primary key (tenant_id, statement_digest),
  foreign key (tenant_id, promotion_id) references sluice.promotions
);
create index statements_by_promotion on sluice.statements (tenant_id, promotion_id, ordinal);

do $$
declare t text;
begin
  foreach t in array array['evidence', 'releases', 'release_requests', 'promotions', 'promotion_steps', 'effects',
    'decisions', 'plans', 'deployments', 'current_releases', 'leases', 'lease_queue', 'statements']
  loop
    execute format('alter table sluice.%I enable row level security', t);
    execute format('alter table sluice.%I force row level security', t);
    execute format('create policy tenant_isolation on sluice.%I using (tenant_id = sluice.current_tenant())', t);
  end loop;
end $$;

-- Releases, decisions, plans, statements, effects and evidence never change: they are inserted and read.
grant select, insert on
  sluice.evidence, sluice.releases, sluice.promotion_steps, sluice.effects, sluice.decisions, sluice.plans,
  sluice.deployments, sluice.current_releases, sluice.leases, sluice.lease_queue, sluice.statements
  to sluice_worker;
grant select on sluice.release_requests, sluice.promotions to sluice_worker;
grant update (state, release_digest, refusal_code, refusal_message, settled_at)
  on sluice.release_requests to sluice_worker;
grant update (state, reason_code, reason_message, rules, started_at, ended_at, packet_digest)
  on sluice.promotions to sluice_worker;
grant update (state, reason_code, reason_message, outputs, started_at, ended_at)
  on sluice.promotion_steps to sluice_worker;
grant update (plan_digest, state, failure_code, failure_message, settled_at)
  on sluice.deployments to sluice_worker;
grant update (release_digest, promotion_id, side, since) on sluice.current_releases to sluice_worker;
grant update (holder, fencing_token, acquired_at) on sluice.leases to sluice_worker;
grant update (ready), delete on sluice.lease_queue to sluice_worker;
grant select on
  sluice.evidence, sluice.releases, sluice.release_requests, sluice.promotions, sluice.promotion_steps,
  sluice.decisions, sluice.plans, sluice.deployments, sluice.current_releases, sluice.leases,
  sluice.lease_queue, sluice.statements
  to sluice_app;
grant insert on sluice.release_requests, sluice.promotions, sluice.promotion_steps to sluice_app;
grant update (cancel_requested_at) on sluice.promotions to sluice_app;
grant update (state, failure_code, failure_message, settled_at) on sluice.deployments to sluice_app;
grant select on
  sluice.evidence, sluice.releases, sluice.promotions, sluice.decisions, sluice.plans, sluice.deployments, sluice.current_releases,
  sluice.leases, sluice.statements
  to sluice_signer;
