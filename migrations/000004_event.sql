-- Audit events with their hash chain, and the outbox that turns committed requests into engine calls.
set local role sluice_owner;

create table sluice.events (
  tenant_id text not null references sluice.tenants,
  event_id text not null,
  type text not null,
  actor text not null,
  subject text not null,
  promotion_id text,
  data jsonb not null,
  trace_id text,
  occurred_at timestamptz not null default now(),
  -- Commit order is not insert order: the linker gives both of these, one tenant at a time.
  position bigint,
  previous_hash text,
  hash text,
  arrival bigint generated always as identity,
  primary key (tenant_id, event_id),
  unique (tenant_id, position),
  check (position > 0),
  check ((position is null) = (hash is null)),
  check (previous_hash is null or hash is not null)
);
create index events_unlinked on sluice.events (tenant_id, arrival) where position is null;
create index events_by_promotion on sluice.events (tenant_id, promotion_id, position, arrival);

create table sluice.event_chains (
  tenant_id text primary key references sluice.tenants,
  position bigint not null check (position > 0),
  hash text not null
);

create table sluice.outbox (
  tenant_id text not null references sluice.tenants,
  outbox_id bigint generated always as identity,
  kind text not null check (kind in ('start-workflow', 'signal-workflow', 'complete-activity')),
  body jsonb not null,
  created_at timestamptz not null default now(),
  attempts integer not null default 0,
  next_attempt_at timestamptz not null default now(),
  delivered_at timestamptz,
  last_error text,
  primary key (tenant_id, outbox_id)
);
create index outbox_pending on sluice.outbox (next_attempt_at) where delivered_at is null;

do $$
declare t text;
begin
  foreach t in array array['events', 'event_chains', 'outbox']
  loop
    execute format('alter table sluice.%I enable row level security', t);
    execute format('alter table sluice.%I force row level security', t);
    execute format('create policy tenant_isolation on sluice.%I using (tenant_id = sluice.current_tenant())', t);
  end loop;
end $$;

-- Relay and linker serve all tenants: each with one narrow policy of its own.
create policy relay_delivers on sluice.outbox to sluice_relay using (true);
create policy linker_reads on sluice.events for select to sluice_linker using (true);
create policy linker_links on sluice.events for update to sluice_linker using (position is null) with check (true);
create policy linker_chains on sluice.event_chains to sluice_linker using (true) with check (true);
create policy linker_names_tenants on sluice.tenants for select to sluice_linker using (true);

-- The outbox is written here and read by the relay only; an event, once linked, is changed by nobody.
grant select, insert on sluice.events to sluice_app, sluice_worker;
grant insert on sluice.outbox to sluice_app, sluice_worker;
grant select, update (attempts, next_attempt_at, delivered_at, last_error) on sluice.outbox to sluice_relay;
grant select on sluice.events to sluice_linker;
grant update (position, previous_hash, hash) on sluice.events to sluice_linker;
grant select, insert, update (position, hash) on sluice.event_chains to sluice_linker;
grant select on sluice.tenants to sluice_linker;
