-- Roles, the tenant in every transaction, principals, and what the configuration file says.

-- Roles are cluster-wide and made by the migration runner (`ensureRoles`) before this file: sluice_owner
-- (migrates), sluice_app (API), sluice_worker (activities), sluice_signer, sluice_relay, sluice_linker.

create schema sluice authorization sluice_owner;
set local role sluice_owner;
grant usage on schema sluice to sluice_app, sluice_worker, sluice_signer, sluice_relay, sluice_linker;

-- What was applied to this database; written by the migration runner alone.
create table sluice.schema_migrations (
  number integer primary key check (number > 0),
  name text not null unique,
  digest text not null check (digest ~ '^sha256:[0-9a-f]{64}$'),
  applied_at timestamptz not null default now()
);

-- The tenant of this transaction; null (which matches no row) when nobody set it.
create function sluice.current_tenant() returns text
  language sql stable parallel safe
  return nullif(current_setting('sluice.tenant_id', true), '');

create table sluice.tenants (
  tenant_id text primary key check (tenant_id ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  created_at timestamptz not null default now()
);
alter table sluice.tenants enable row level security;
alter table sluice.tenants force row level security;
create policy tenant_isolation on sluice.tenants using (tenant_id = sluice.current_tenant());

create table sluice.principals (
  tenant_id text not null references sluice.tenants,
  principal_id text not null,
  role text not null check (role in ('viewer', 'release-manager', 'approver', 'admin')),
  token_hash text not null check (token_hash ~ '^sha256:[0-9a-f]{64}$'),
  disabled_at timestamptz,
  primary key (tenant_id, principal_id)
);
-- Across tenants on purpose: a token must name one principal before its tenant is known. A disabled one keeps
-- no token from its next owner.
create unique index principals_by_token on sluice.principals (token_hash) where disabled_at is null;
alter table sluice.principals enable row level security;
alter table sluice.principals force row level security;
create policy tenant_isolation on sluice.principals using (tenant_id = sluice.current_tenant());

-- A token is looked up before its tenant is known: the one read that crosses tenants, one row at a time.
create policy token_lookup on sluice.principals for select to sluice_owner using (true);
create function sluice.find_principal(hash text)
  returns table (tenant_id text, principal_id text, role text)
  language sql stable security definer set search_path = sluice, pg_temp
  begin atomic
    select p.tenant_id, p.principal_id, p.role
      from sluice.principals p
     where p.token_hash = hash and p.disabled_at is null;
  end;
revoke all on function sluice.find_principal(text) from public;
grant execute on function sluice.find_principal(text) to sluice_app;

create table sluice.sources (
  tenant_id text not null references sluice.tenants,
  source_id text not null,
  kind text not null check (kind in ('oci-layout')),
  location text not null,
  removed_at timestamptz,
  primary key (tenant_id, source_id)
);
alter table sluice.sources enable row level security;
alter table sluice.sources force row level security;
create policy tenant_isolation on sluice.sources using (tenant_id = sluice.current_tenant());

create table sluice.pipelines (
  tenant_id text not null references sluice.tenants,
  pipeline_id text not null,
  version integer not null check (version > 0),
  pipeline_digest text not null,
  body jsonb not null,
  primary key (tenant_id, pipeline_id, version)
);
alter table sluice.pipelines enable row level security;
alter table sluice.pipelines force row level security;
create policy tenant_isolation on sluice.pipelines using (tenant_id = sluice.current_tenant());

create table sluice.policies (
  tenant_id text not null references sluice.tenants,
  policy_id text not null,
  version integer not null check (version > 0),
  policy_digest text not null,
  primary key (tenant_id, policy_id, version)
);
alter table sluice.policies enable row level security;
alter table sluice.policies force row level security;
create policy tenant_isolation on sluice.policies using (tenant_id = sluice.current_tenant());

create table sluice.environments (
  tenant_id text not null references sluice.tenants,
  environment_id text not null,
  position integer not null,
  pipeline_id text not null,
  policy_id text not null,
  deadlines jsonb not null,
  version integer not null default 1,
  last_promotion_number integer not null default 0,
  removed_at timestamptz,
  primary key (tenant_id, environment_id)
);
alter table sluice.environments enable row level security;
alter table sluice.environments force row level security;
create policy tenant_isolation on sluice.environments using (tenant_id = sluice.current_tenant());

create table sluice.targets (
  tenant_id text not null,
  target_id text not null,
  environment_id text not null,
  kind text not null check (kind in ('linux-host')),
  address text not null,
  labels jsonb not null default '{}',
  settings jsonb not null default '{}',
  health jsonb not null,
  version integer not null default 1,
  last_command_sequence bigint not null default 0,
  removed_at timestamptz,
  primary key (tenant_id, target_id),
  foreign key (tenant_id, environment_id) references sluice.environments
);
create index targets_by_environment on sluice.targets (tenant_id, environment_id, target_id);
alter table sluice.targets enable row level security;
alter table sluice.targets force row level security;
create policy tenant_isolation on sluice.targets using (tenant_id = sluice.current_tenant());

create table sluice.idempotency_keys (
  tenant_id text not null references sluice.tenants,
  principal_id text not null,
  operation text not null,
  idempotency_key text not null check (length(idempotency_key) between 1 and 200),
  payload_digest text not null,
  answer jsonb not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, principal_id, operation, idempotency_key)
);
alter table sluice.idempotency_keys enable row level security;
alter table sluice.idempotency_keys force row level security;
create policy tenant_isolation on sluice.idempotency_keys using (tenant_id = sluice.current_tenant());

-- Rules are versioned and tenants, answers and rules never change: nobody may update or delete those.
grant select, insert on
  sluice.tenants, sluice.principals, sluice.sources, sluice.pipelines, sluice.policies, sluice.environments,
  sluice.targets, sluice.idempotency_keys
  to sluice_app;
grant update (role, token_hash, disabled_at) on sluice.principals to sluice_app;
grant update (kind, location, removed_at) on sluice.sources to sluice_app;
grant update (position, pipeline_id, policy_id, deadlines, version, last_promotion_number, removed_at)
  on sluice.environments to sluice_app;
grant update (environment_id, kind, address, labels, settings, health, version, removed_at)
  on sluice.targets to sluice_app;
grant select on
  sluice.tenants, sluice.sources, sluice.pipelines, sluice.policies, sluice.environments, sluice.targets
  to sluice_worker;
grant update (last_command_sequence) on sluice.targets to sluice_worker;
grant select on sluice.targets, sluice.environments to sluice_signer;
