-- Environments in order, plan sets, approvals, people behind principals, and leases that can be yielded and preempted.
set local role sluice_owner;
grant usage on schema sluice to sluice_watchdog;

alter table sluice.environments
  add column predecessors text[] not null default '{}',
  add column approval jsonb,
  add column rollback_roles text[] not null default '{admin}';
grant update (predecessors, approval, rollback_roles) on sluice.environments to sluice_app;

-- A principal can have several tokens, and a service account belongs to a person: whoever asks by another route is
-- still the same person.
alter table sluice.principals
  add column kind text not null default 'person' check (kind in ('person', 'service')),
  add column owner_id text,
  add check ((kind = 'service') = (owner_id is not null)),
  add foreign key (tenant_id, owner_id) references sluice.principals;
grant update (kind, owner_id) on sluice.principals to sluice_app;
create table sluice.principal_tokens (
  tenant_id text not null,
  principal_id text not null,
  token_hash text not null check (token_hash ~ '^sha256:[0-9a-f]{64}$'),
  added_at timestamptz not null default now(),
  primary key (tenant_id, token_hash),
  foreign key (tenant_id, principal_id) references sluice.principals
);
-- Across tenants on purpose: a token must name one principal before its tenant is known.
create unique index principal_tokens_by_hash on sluice.principal_tokens (token_hash);
create index principal_tokens_by_principal on sluice.principal_tokens (tenant_id, principal_id);
-- The owner moves what is there, of all tenants: for that moment it is not held to the policies.
alter table sluice.principals no force row level security;
insert into sluice.principal_tokens (tenant_id, principal_id, token_hash)
  select tenant_id, principal_id, token_hash from sluice.principals where disabled_at is null;
alter table sluice.principals force row level security;
drop function sluice.find_principal(text);
drop index sluice.principals_by_token;
alter table sluice.principals drop column token_hash;
alter table sluice.principal_tokens enable row level security;
alter table sluice.principal_tokens force row level security;
create policy tenant_isolation on sluice.principal_tokens using (tenant_id = sluice.current_tenant());
create policy token_lookup on sluice.principal_tokens for select to sluice_owner using (true);
create function sluice.find_principal(hash text)
  returns table (tenant_id text, principal_id text, role text, kind text, person_id text)
  language sql stable security definer set search_path = sluice, pg_temp
  begin atomic
    select p.tenant_id, p.principal_id, p.role, p.kind, coalesce(o.principal_id, p.principal_id)
      from sluice.principal_tokens t
      join sluice.principals p on p.tenant_id = t.tenant_id and p.principal_id = t.principal_id
      left join sluice.principals o on o.tenant_id = p.tenant_id and o.principal_id = p.owner_id
     where t.token_hash = hash and p.disabled_at is null and o.disabled_at is null;
  end;
revoke all on function sluice.find_principal(text) from public;
grant execute on function sluice.find_principal(text) to sluice_app;
grant select, insert, delete on sluice.principal_tokens to sluice_app;
-- No secret stands in this table any more: quorum is checked where it counts.
grant select on sluice.principals to sluice_worker, sluice_signer;

alter table sluice.promotions
  add column requested_person text,
  -- What a rollback was asked to put there, and why: signed with what it came to.
  add column requested_reason text check (length(requested_reason) between 1 and 500),
  add column rollback_to text check (rollback_to in ('last-verified', 'release', 'nothing')),
  add check ((kind = 'rollback') = (rollback_to is not null)),
  add check ((rollback_to is null) = (requested_reason is null)),
  -- The rollback that took the lease from it.
  add column superseded_by text;
alter table sluice.promotions no force row level security;
update sluice.promotions set requested_person = requested_by;
alter table sluice.promotions force row level security;
alter table sluice.promotions alter column requested_person set not null;
grant update (superseded_by) on sluice.promotions to sluice_worker;
-- Whether a release was verified in an environment, and which one was before.
create index promotions_ended on sluice.promotions
  (tenant_id, environment_id, release_digest, ended_at desc, number desc) where ended_at is not null;
create index promotions_succeeded on sluice.promotions
  (tenant_id, environment_id, ended_at desc, number desc) where state = 'succeeded';
create index promotions_open on sluice.promotions (tenant_id, promotion_id) where ended_at is null;

create table sluice.plan_sets (
  tenant_id text not null,
  promotion_id text not null,
  round integer not null check (round > 0),
  plan_set_digest text not null check (plan_set_digest ~ '^sha256:[0-9a-f]{64}$'),
  body jsonb not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, promotion_id, round),
  foreign key (tenant_id, promotion_id) references sluice.promotions
);

-- One round of asking people; the newest round of a promotion is the one that counts.
create table sluice.approval_requests (
  tenant_id text not null,
  promotion_id text not null,
  step_id text not null,
  round integer not null check (round > 0),
  release_digest text not null,
  plan_set_digest text not null,
  rule jsonb not null,
  requester_person text not null,
  state text not null default 'waiting'
    check (state in ('waiting', 'approved', 'rejected', 'expired', 'withdrawn')),
  reason_code text,
  reason_message text,
  deadline_at timestamptz not null,
  opened_at timestamptz not null default now(),
  closed_at timestamptz,
  primary key (tenant_id, promotion_id, step_id, round),
  foreign key (tenant_id, promotion_id) references sluice.promotions,
  check ((state = 'waiting') = (closed_at is null))
);
create index approval_requests_waiting on sluice.approval_requests
  (tenant_id, opened_at, promotion_id, step_id) where state = 'waiting';

-- What people said. The API alone can insert one, for it authenticated the person; the worker can only note what
-- came of it; the signer reads both before it signs a deployment.
create table sluice.approvals (
  tenant_id text not null,
  -- The Update's id: <principal>/<idempotency key>.
  approval_id text not null check (length(approval_id) between 3 and 400),
  promotion_id text not null,
  principal_id text not null,
  person_id text not null,
  kind text not null check (kind in ('person', 'service')),
  role text not null,
  decision text not null check (decision in ('approve', 'reject')),
  comment text not null default '' check (length(comment) <= 2000),
  release_digest text not null,
  plan_set_digest text not null,
  state text not null default 'asked' check (state in ('asked', 'recorded', 'refused')),
  refusal_code text,
  refusal_message text,
  round integer,
  statement_digest text,
  asked_at timestamptz not null default now(),
  settled_at timestamptz,
  primary key (tenant_id, approval_id),
  foreign key (tenant_id, promotion_id) references sluice.promotions,
  foreign key (tenant_id, principal_id) references sluice.principals,
  check ((state = 'recorded') = (statement_digest is not null)),
  check ((state = 'recorded') = (round is not null)),
  check ((state = 'refused') = (refusal_code is not null))
);
create index approvals_by_promotion on sluice.approvals (tenant_id, promotion_id, asked_at);
-- A person counts once each time that a plan is asked for.
create unique index approvals_once on sluice.approvals (tenant_id, promotion_id, plan_set_digest, round, person_id)
  where state = 'recorded';

do $$
declare t text;
begin
  foreach t in array array['plan_sets', 'approval_requests', 'approvals']
  loop
    execute format('alter table sluice.%I enable row level security', t);
    execute format('alter table sluice.%I force row level security', t);
    execute format('create policy tenant_isolation on sluice.%I using (tenant_id = sluice.current_tenant())', t);
  end loop;
end $$;
grant select, insert on sluice.plan_sets, sluice.approval_requests to sluice_worker;
grant update (state, reason_code, reason_message, closed_at) on sluice.approval_requests to sluice_worker;
grant select on sluice.approvals to sluice_worker;
-- Refusals too: a decision that was refused before its time may be asked again, and then count.
grant update (state, round, statement_digest, refusal_code, refusal_message, settled_at)
  on sluice.approvals to sluice_worker;
grant select on sluice.plan_sets, sluice.approval_requests, sluice.approvals to sluice_app;
-- Not the state, the round and the statement: what counts is not the API's to say.
grant insert (tenant_id, approval_id, promotion_id, principal_id, person_id, kind, role, decision, comment,
  release_digest, plan_set_digest) on sluice.approvals to sluice_app;
grant update (state, refusal_code, refusal_message, settled_at) on sluice.approvals to sluice_app;
grant select on sluice.plan_sets, sluice.approval_requests, sluice.approvals to sluice_signer;

-- A rollback to nothing makes the one release without components; the API can insert no other.
grant insert on sluice.releases to sluice_app;
create policy app_makes_nothing on sluice.releases as restrictive for insert to sluice_app with check (
  release_digest = 'sha256:94bc51a60f2c0c58e26f135cd1047155ae9c29dbde86051ff282920e0777c066'
  and name = 'nothing' and version = '0'
  and body = '{"schema": "sluice.release/v1", "name": "nothing", "version": "0", "components": []}');

-- Whoever yields comes back to the place that it had.
alter table sluice.leases
  add column holder_place bigint,
  add column holder_enqueued_at timestamptz;
grant update (holder_place, holder_enqueued_at) on sluice.leases to sluice_worker;

-- What the agent itself says is active: a plan is made against this where the records know it.
alter table sluice.agents
  add column active_release text,
  add column active_reported_at timestamptz;
grant update (active_release, active_reported_at) on sluice.agents to sluice_app;

alter table sluice.outbox drop constraint outbox_kind_check;
alter table sluice.outbox add constraint outbox_kind_check
  check (kind in ('start-workflow', 'signal-workflow', 'complete-activity', 'terminate-workflow'));
alter table sluice.outbox add column workflow_id text generated always as (body ->> 'workflowId') stored;
create index outbox_pending_of_workflow on sluice.outbox (tenant_id, workflow_id) where delivered_at is null;

-- The watchdog writes nothing. It sees the open promotions of all tenants, and which of them are still to be started;
create policy watchdog_reads on sluice.promotions for select to sluice_watchdog using (ended_at is null);
grant select (tenant_id, promotion_id, environment_id, release_digest, kind, state, traceparent, requested_at,
  superseded_by, ended_at) on sluice.promotions to sluice_watchdog;
create policy watchdog_reads on sluice.outbox for select to sluice_watchdog
  using (kind = 'start-workflow' and delivered_at is null);
grant select (tenant_id, kind, workflow_id, delivered_at) on sluice.outbox to sluice_watchdog;
-- and ended ones that still hold a lease or a place in a queue, so that none is kept by the dead.
create policy watchdog_reads on sluice.leases for select to sluice_watchdog using (holder is not null);
grant select (tenant_id, resource, holder) on sluice.leases to sluice_watchdog;
create policy watchdog_reads on sluice.lease_queue for select to sluice_watchdog using (true);
grant select (tenant_id, resource, holder) on sluice.lease_queue to sluice_watchdog;
create policy watchdog_sees_ended on sluice.promotions for select to sluice_watchdog using (
  exists (select from sluice.leases l
    where l.tenant_id = promotions.tenant_id and l.holder = 'promotion:' || promotions.promotion_id)
  or exists (select from sluice.lease_queue q
    where q.tenant_id = promotions.tenant_id and q.holder = 'promotion:' || promotions.promotion_id));
