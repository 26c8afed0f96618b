-- Archived histories, the workflows that owe one, the code that ran them, and what is wrong with what runs.
set local role sluice_owner;

-- Workflow code that workers ran, kept so that a history can be replayed against any of it. It is the deployment's, no tenant's.
create table sluice.workflow_bundles (
  bundle_digest text primary key check (bundle_digest ~ '^sha256:[0-9a-f]{64}$'),
  build_id text not null check (length(build_id) between 1 and 100),
  sdk_version text not null,
  -- Of the gzipped code in the evidence store.
  content_digest text not null check (content_digest ~ '^sha256:[0-9a-f]{64}$'),
  size bigint not null check (size >= 0),
  first_seen_at timestamptz not null default now()
);
create index workflow_bundles_by_build on sluice.workflow_bundles (build_id);
create index workflow_bundles_by_time on sluice.workflow_bundles (first_seen_at, bundle_digest);
grant select on sluice.workflow_bundles to sluice_app, sluice_worker;
grant insert on sluice.workflow_bundles to sluice_worker;

-- Every workflow that was ever asked for; stored with the request to start it.
create table sluice.workflow_executions (
  tenant_id text not null references sluice.tenants,
  workflow_id text not null check (length(workflow_id) <= 1000),
  workflow_type text not null,
  promotion_id text generated always as (
    case when workflow_id ~ '^(promotion|settlement)/'
      then regexp_replace(workflow_id, '^[a-z]+/[^/]+/', '') end) stored,
  requested_at timestamptz not null default now(),
  -- When the archiver looks at it next; at its end it is told to look at once.
  look_at timestamptz not null default now() + interval '2 seconds',
  -- Set when every run of it is archived; null again when it was started or reset once more.
  archived_at timestamptz,
  -- Set when the engine had forgotten it before it was archived.
  lost_at timestamptz,
  primary key (tenant_id, workflow_id),
  check (archived_at is null or lost_at is null)
);
create index workflow_executions_due on sluice.workflow_executions (look_at) where archived_at is null and lost_at is null;
create index workflow_executions_by_promotion on sluice.workflow_executions (tenant_id, promotion_id);

create table sluice.workflow_histories (
  tenant_id text not null,
  workflow_id text not null,
  run_id text not null,
  workflow_type text not null,
  promotion_id text generated always as (
    case when workflow_id ~ '^(promotion|settlement)/'
      then regexp_replace(workflow_id, '^[a-z]+/[^/]+/', '') end) stored,
  status text not null
    check (status in ('completed', 'failed', 'cancelled', 'terminated', 'timed-out', 'continued-as-new')),
  event_count integer not null check (event_count > 0),
  build_ids text[] not null,
  bundle_digests text[] not null,
  -- Of the history's bytes, and of the encrypted file in the evidence store that holds them.
  history_digest text not null check (history_digest ~ '^sha256:[0-9a-f]{64}$'),
  archive_digest text not null check (archive_digest ~ '^sha256:[0-9a-f]{64}$'),
  archive_size bigint not null check (archive_size > 0),
  packet_digest text,
  statement_digest text not null,
  envelope jsonb not null,
  started_at timestamptz not null,
  closed_at timestamptz not null,
  archived_at timestamptz not null default now(),
  -- The file was removed by rule; row and statement stay.
  expired_at timestamptz,
  primary key (tenant_id, workflow_id, run_id),
  foreign key (tenant_id, workflow_id) references sluice.workflow_executions
);
create index workflow_histories_by_promotion on sluice.workflow_histories (tenant_id, promotion_id, started_at);
create index workflow_histories_kept on sluice.workflow_histories (tenant_id, closed_at) where expired_at is null;

-- What keeps a workflow from going on; gone when it goes on. Events keep what was.
create table sluice.workflow_problems (
  tenant_id text not null,
  workflow_id text not null,
  promotion_id text generated always as (
    case when workflow_id ~ '^(promotion|settlement)/'
      then regexp_replace(workflow_id, '^[a-z]+/[^/]+/', '') end) stored,
  code text not null check (code in ('nondeterminism', 'workflow-task-failing', 'activity-failing', 'no-worker')),
  message text not null,
  cause text,
  attempt integer not null check (attempt > 0),
  event_number bigint,
  activity text,
  build_id text,
  first_seen_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  primary key (tenant_id, workflow_id),
  foreign key (tenant_id, workflow_id) references sluice.workflow_executions
);
create index workflow_problems_by_promotion on sluice.workflow_problems (tenant_id, promotion_id);

-- Where workflows, records, agents and archive disagree; gone when they agree again. Events keep what was.
create table sluice.discrepancies (
  tenant_id text not null references sluice.tenants,
  -- <code>:<subject>
  discrepancy_id text not null check (length(discrepancy_id) <= 1000),
  code text not null,
  subject text not null,
  action text not null check (action in ('repair', 'raise')),
  message text not null,
  remedy text not null,
  detail jsonb not null default '{}',
  first_seen_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  repair_requested_by text,
  repair_requested_at timestamptz,
  repair_error text,
  primary key (tenant_id, discrepancy_id),
  check ((repair_requested_by is null) = (repair_requested_at is null))
);

-- When the watchdog last looked through everything of a tenant.
create table sluice.reconciliations (
  tenant_id text primary key references sluice.tenants,
  looked_at timestamptz not null
);

do $$
declare t text;
begin
  foreach t in array array['workflow_executions', 'workflow_histories', 'workflow_problems', 'discrepancies',
    'reconciliations']
  loop
    execute format('alter table sluice.%I enable row level security', t);
    execute format('alter table sluice.%I force row level security', t);
    execute format('create policy tenant_isolation on sluice.%I using (tenant_id = sluice.current_tenant())', t);
  end loop;
end $$;
grant select, insert, update (look_at, archived_at, lost_at) on sluice.workflow_executions to sluice_worker;
grant select, insert, update (look_at, archived_at, lost_at) on sluice.workflow_executions to sluice_app;
-- Who asks for a start or a reset says that a history is owed once more, and never that none is: that would hide the workflow.
create policy only_owes on sluice.workflow_executions as restrictive for all to sluice_app
  using (true) with check (archived_at is null and lost_at is null);
grant select, insert, update (expired_at) on sluice.workflow_histories to sluice_worker;
grant select on sluice.workflow_histories to sluice_app, sluice_signer;
-- The signer signs for workflows only that somebody asked for.
grant select on sluice.workflow_executions to sluice_signer;
grant select, insert, delete on sluice.workflow_problems to sluice_worker;
grant update (code, message, cause, attempt, event_number, activity, build_id, first_seen_at, last_seen_at)
  on sluice.workflow_problems to sluice_worker;
grant select on sluice.workflow_problems to sluice_app;
grant select, insert, delete on sluice.discrepancies to sluice_worker;
grant update (message, action, remedy, detail, last_seen_at, repair_requested_by, repair_requested_at, repair_error)
  on sluice.discrepancies to sluice_worker;
grant select, update (repair_requested_by, repair_requested_at, repair_error) on sluice.discrepancies to sluice_app;

grant select, insert, update (looked_at) on sluice.reconciliations to sluice_worker;
grant select on sluice.reconciliations to sluice_app;

-- What was asked for before this table was there.
alter table sluice.outbox no force row level security;
alter table sluice.workflow_executions no force row level security;
insert into sluice.workflow_executions (tenant_id, workflow_id, workflow_type, requested_at)
  select tenant_id, workflow_id, min(body ->> 'workflowType'), min(created_at) from sluice.outbox
   where kind = 'start-workflow' and workflow_id is not null and body ? 'workflowType' group by tenant_id, workflow_id;
alter table sluice.workflow_executions force row level security;
alter table sluice.outbox force row level security;

-- How long histories are kept: [{environments?, states?, days}], the first that fits; none keeps for ever.
alter table sluice.tenants add column history_rules jsonb not null default '[]';
grant update (history_rules) on sluice.tenants to sluice_app;
grant select on sluice.tenants to sluice_worker;

-- The code that froze a promotion's rules.
alter table sluice.promotions add column bundle_digest text check (bundle_digest ~ '^sha256:[0-9a-f]{64}$');
grant update (bundle_digest) on sluice.promotions to sluice_worker;

-- Only the files of histories are ever removed again, by rule or because no row came to name them.
grant delete on sluice.evidence to sluice_worker;
create policy only_histories_expire on sluice.evidence as restrictive for delete to sluice_worker
  using (media_type = 'application/vnd.sluice.history.v1');

alter table sluice.outbox drop constraint outbox_kind_check;
alter table sluice.outbox add constraint outbox_kind_check
  check (kind in ('start-workflow', 'signal-workflow', 'complete-activity', 'terminate-workflow',
    'reset-workflow', 'retry-activity'));

-- The watchdog sees which workflows of all tenants are not archived yet, and the tenants to look after.
create policy watchdog_reads on sluice.workflow_executions for select to sluice_watchdog
  using (archived_at is null and lost_at is null);
grant select (tenant_id, workflow_id, workflow_type, promotion_id, requested_at, look_at, archived_at, lost_at)
  on sluice.workflow_executions to sluice_watchdog;
create policy watchdog_names_tenants on sluice.tenants for select to sluice_watchdog using (true);
grant select (tenant_id) on sluice.tenants to sluice_watchdog;

-- A reset that is on its way is as good as a start: nobody settles the promotion meanwhile.
drop policy watchdog_reads on sluice.outbox;
create policy watchdog_reads on sluice.outbox for select to sluice_watchdog
  using (kind in ('start-workflow', 'reset-workflow') and delivered_at is null);

-- What is not delivered can be shown, without what is said in it.
grant select (tenant_id, outbox_id, kind, workflow_id, created_at, attempts, delivered_at, last_error)
  on sluice.outbox to sluice_worker;

-- After a reset the report of a command completes the activity of the new run.
grant update (workflow_id, run_id, activity_id) on sluice.commands to sluice_worker;

-- What is still to be started or reset is not archived as if it were over.
grant select (tenant_id, kind, workflow_id, delivered_at) on sluice.outbox to sluice_worker;
