-- Agents, their commands and signed reports, nonces of their requests, and used enrolment tokens.
set local role sluice_owner;

create table sluice.agents (
  tenant_id text not null,
  target_id text not null,
  key_id text not null check (key_id ~ '^sha256:[0-9a-f]{64}$'),
  public_key text not null,
  version text not null,
  enrolled_at timestamptz not null default now(),
  last_heartbeat_at timestamptz,
  revoked_at timestamptz,
  primary key (tenant_id, target_id),
  unique (tenant_id, key_id),
  foreign key (tenant_id, target_id) references sluice.targets
);
-- Not unique across tenants: that would tell one tenant of another's key.
create index agents_by_key on sluice.agents (key_id);

-- A request names only its key: its tenant is found by this one definer function.
create policy key_lookup on sluice.agents for select to sluice_owner using (true);
create function sluice.find_agent(wanted text)
  returns table (tenant_id text, target_id text, public_key text)
  language sql stable security definer set search_path = sluice, pg_temp
  begin atomic
    select a.tenant_id, a.target_id, a.public_key
      from sluice.agents a
     where a.key_id = wanted and a.revoked_at is null;
  end;
revoke all on function sluice.find_agent(text) from public;
grant execute on function sluice.find_agent(text) to sluice_app;

create table sluice.enrolment_tokens (
  tenant_id text not null references sluice.tenants,
  token_id text not null,
  used_at timestamptz not null default now(),
  target_id text not null,
  primary key (tenant_id, token_id)
);

create table sluice.agent_nonces (
  tenant_id text not null references sluice.tenants,
  key_id text not null,
  nonce text not null,
  seen_at timestamptz not null default now(),
  primary key (tenant_id, key_id, nonce)
);
create index agent_nonces_by_time on sluice.agent_nonces (tenant_id, seen_at);

create table sluice.commands (
  tenant_id text not null,
  target_id text not null,
  sequence bigint not null,
  command_digest text not null,
  kind text not null check (kind in ('deploy', 'revert')),
  promotion_id text not null,
  -- What the command puts there; null when it empties the target.
  release_digest text,
  idempotency_key text not null,
  envelope jsonb not null,
  payload text not null,
  fencing_token bigint not null,
  expires_at timestamptz not null,
  -- The asynchronous activity that the final report completes.
  workflow_id text not null,
  run_id text not null,
  activity_id text not null,
  created_at timestamptz not null default now(),
  settled_at timestamptz,
  primary key (tenant_id, target_id, sequence),
  unique (tenant_id, idempotency_key),
  unique (tenant_id, command_digest),
  foreign key (tenant_id, target_id) references sluice.targets,
  foreign key (tenant_id, promotion_id) references sluice.promotions,
  foreign key (tenant_id, release_digest) references sluice.releases
);
create index commands_by_promotion on sluice.commands (tenant_id, promotion_id);
create index commands_by_release on sluice.commands (tenant_id, target_id, release_digest, sequence);

create table sluice.agent_reports (
  tenant_id text not null,
  command_digest text not null,
  stage text not null check (stage in ('accepted', 'fetched', 'activated', 'confirmed', 'reverted', 'refused')),
  envelope jsonb not null,
  body jsonb not null,
  received_at timestamptz not null default now(),
  primary key (tenant_id, command_digest, stage),
  foreign key (tenant_id, command_digest) references sluice.commands (tenant_id, command_digest)
);
-- A command ends once.
create unique index agent_reports_final on sluice.agent_reports (tenant_id, command_digest)
  where stage in ('confirmed', 'reverted', 'refused');

do $$
declare t text;
begin
  foreach t in array array['agents', 'enrolment_tokens', 'agent_nonces', 'commands', 'agent_reports']
  loop
    execute format('alter table sluice.%I enable row level security', t);
    execute format('alter table sluice.%I force row level security', t);
    execute format('create policy tenant_isolation on sluice.%I using (tenant_id = sluice.current_tenant())', t);
  end loop;
end $$;

grant select, insert on sluice.agents, sluice.enrolment_tokens, sluice.agent_nonces, sluice.agent_reports
  to sluice_app;
grant update (key_id, public_key, version, enrolled_at, last_heartbeat_at, revoked_at)
  on sluice.agents to sluice_app;
grant delete on sluice.agent_nonces to sluice_app;
grant select on sluice.commands to sluice_app;
grant update (settled_at) on sluice.commands to sluice_app;
grant select, insert on sluice.commands to sluice_worker;
grant select on sluice.agents, sluice.agent_reports to sluice_worker;
grant select on sluice.agents, sluice.commands, sluice.agent_reports to sluice_signer;
