-- The schema that the migrations make, read back from the catalogue. Generated: do not edit.
-- Write it again with `node libs/persistence/dist/schema-dump-main.js`.

-- role sluice_app: login
-- role sluice_linker: login
-- role sluice_owner: login
-- role sluice_relay: login
-- role sluice_signer: login
-- role sluice_watchdog: login
-- role sluice_worker: login

create schema sluice authorization sluice_owner;

create table sluice.agent_nonces (
  tenant_id text not null,
  key_id text not null,
  nonce text not null,
  seen_at timestamp with time zone not null default now(),
  constraint agent_nonces_pkey PRIMARY KEY (tenant_id, key_id, nonce),
  constraint agent_nonces_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES sluice.tenants(tenant_id)
);
CREATE INDEX agent_nonces_by_time ON sluice.agent_nonces USING btree (tenant_id, seen_at);
alter table sluice.agent_nonces enable row level security;
alter table sluice.agent_nonces force row level security;
create policy tenant_isolation on sluice.agent_nonces as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.agent_reports (
  tenant_id text not null,
  command_digest text not null,
  stage text not null,
  envelope jsonb not null,
  body jsonb not null,
  received_at timestamp with time zone not null default now(),
  constraint agent_reports_pkey PRIMARY KEY (tenant_id, command_digest, stage),
  constraint agent_reports_tenant_id_command_digest_fkey FOREIGN KEY (tenant_id, command_digest) REFERENCES sluice.commands(tenant_id, command_digest),
  constraint agent_reports_stage_check CHECK ((stage = ANY (ARRAY['accepted'::text, 'fetched'::text, 'activated'::text, 'confirmed'::text, 'reverted'::text, 'refused'::text])))
);
CREATE UNIQUE INDEX agent_reports_final ON sluice.agent_reports USING btree (tenant_id, command_digest) WHERE (stage = ANY (ARRAY['confirmed'::text, 'reverted'::text, 'refused'::text]));
alter table sluice.agent_reports enable row level security;
alter table sluice.agent_reports force row level security;
create policy tenant_isolation on sluice.agent_reports as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.agents (
  tenant_id text not null,
  target_id text not null,
  key_id text not null,
  public_key text not null,
  version text not null,
  enrolled_at timestamp with time zone not null default now(),
  last_heartbeat_at timestamp with time zone,
  revoked_at timestamp with time zone,
  active_release text,
  active_reported_at timestamp with time zone,
  constraint agents_pkey PRIMARY KEY (tenant_id, target_id),
  constraint agents_tenant_id_key_id_key UNIQUE (tenant_id, key_id),
  constraint agents_tenant_id_target_id_fkey FOREIGN KEY (tenant_id, target_id) REFERENCES sluice.targets(tenant_id, target_id),
  constraint agents_key_id_check CHECK ((key_id ~ '^sha256:[0-9a-f]{64}$'::text))
);
CREATE INDEX agents_by_key ON sluice.agents USING btree (key_id);
alter table sluice.agents enable row level security;
alter table sluice.agents force row level security;
create policy key_lookup on sluice.agents as permissive for select to sluice_owner using (true);
create policy tenant_isolation on sluice.agents as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.analyses (
  tenant_id text not null,
  promotion_id text not null,
  step_id text not null,
  round integer not null,
  stage integer not null,
  outcome text not null,
  score double precision,
  reason_code text,
  reason_message text,
  document_digest text,
  started_at timestamp with time zone not null,
  ended_at timestamp with time zone not null,
  constraint analyses_pkey PRIMARY KEY (tenant_id, promotion_id, step_id, round, stage),
  constraint analyses_tenant_id_promotion_id_step_id_round_fkey FOREIGN KEY (tenant_id, promotion_id, step_id, round) REFERENCES sluice.rollouts(tenant_id, promotion_id, step_id, round),
  constraint analyses_document_digest_check CHECK ((document_digest ~ '^sha256:[0-9a-f]{64}$'::text)),
  constraint analyses_outcome_check CHECK ((outcome = ANY (ARRAY['pass'::text, 'fail'::text, 'inconclusive'::text]))),
  constraint analyses_score_check CHECK (((score >= (0)::double precision) AND (score <= (100)::double precision))),
  constraint analyses_stage_check CHECK (((stage >= 0) AND (stage <= 49)))
);
alter table sluice.analyses enable row level security;
alter table sluice.analyses force row level security;
create policy tenant_isolation on sluice.analyses as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.approval_requests (
  tenant_id text not null,
  promotion_id text not null,
  step_id text not null,
  round integer not null,
  release_digest text not null,
  plan_set_digest text not null,
  rule jsonb not null,
  requester_person text not null,
  state text not null default 'waiting'::text,
  reason_code text,
  reason_message text,
  deadline_at timestamp with time zone not null,
  opened_at timestamp with time zone not null default now(),
  closed_at timestamp with time zone,
  constraint approval_requests_pkey PRIMARY KEY (tenant_id, promotion_id, step_id, round),
  constraint approval_requests_tenant_id_promotion_id_fkey FOREIGN KEY (tenant_id, promotion_id) REFERENCES sluice.promotions(tenant_id, promotion_id),
  constraint approval_requests_check CHECK (((state = 'waiting'::text) = (closed_at IS NULL))),
  constraint approval_requests_round_check CHECK ((round > 0)),
  constraint approval_requests_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'approved'::text, 'rejected'::text, 'expired'::text, 'withdrawn'::text])))
);
CREATE INDEX approval_requests_waiting ON sluice.approval_requests USING btree (tenant_id, opened_at, promotion_id, step_id) WHERE (state = 'waiting'::text);
alter table sluice.approval_requests enable row level security;
alter table sluice.approval_requests force row level security;
create policy tenant_isolation on sluice.approval_requests as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.approvals (
  tenant_id text not null,
  approval_id text not null,
  promotion_id text not null,
  principal_id text not null,
  person_id text not null,
  kind text not null,
  role text not null,
  decision text not null,
  comment text not null default ''::text,
  release_digest text not null,
  plan_set_digest text not null,
  state text not null default 'asked'::text,
  refusal_code text,
  refusal_message text,
  round integer,
  statement_digest text,
  asked_at timestamp with time zone not null default now(),
  settled_at timestamp with time zone,
  step_id text,
  constraint approvals_pkey PRIMARY KEY (tenant_id, approval_id),
  constraint approvals_tenant_id_principal_id_fkey FOREIGN KEY (tenant_id, principal_id) REFERENCES sluice.principals(tenant_id, principal_id),
  constraint approvals_tenant_id_promotion_id_fkey FOREIGN KEY (tenant_id, promotion_id) REFERENCES sluice.promotions(tenant_id, promotion_id),
  constraint approvals_approval_id_check CHECK (((length(approval_id) >= 3) AND (length(approval_id) <= 400))),
  constraint approvals_check CHECK (((state = 'recorded'::text) = (statement_digest IS NOT NULL))),
  constraint approvals_check1 CHECK (((state = 'recorded'::text) = (round IS NOT NULL))),
  constraint approvals_check2 CHECK (((state = 'refused'::text) = (refusal_code IS NOT NULL))),
  constraint approvals_comment_check CHECK ((length(comment) <= 2000)),
  constraint approvals_decision_check CHECK ((decision = ANY (ARRAY['approve'::text, 'reject'::text]))),
  constraint approvals_kind_check CHECK ((kind = ANY (ARRAY['person'::text, 'service'::text]))),
  constraint approvals_state_check CHECK ((state = ANY (ARRAY['asked'::text, 'recorded'::text, 'refused'::text])))
);
CREATE INDEX approvals_by_promotion ON sluice.approvals USING btree (tenant_id, promotion_id, asked_at);
CREATE UNIQUE INDEX approvals_once ON sluice.approvals USING btree (tenant_id, promotion_id, plan_set_digest, round, person_id, step_id) NULLS NOT DISTINCT WHERE (state = 'recorded'::text);
alter table sluice.approvals enable row level security;
alter table sluice.approvals force row level security;
create policy tenant_isolation on sluice.approvals as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.budget_claims (
  tenant_id text not null,
  budget_id text not null,
  target_id text not null,
  promotion_id text not null,
  claimed_at timestamp with time zone not null default now(),
  constraint budget_claims_pkey PRIMARY KEY (tenant_id, budget_id, target_id),
  constraint budget_claims_tenant_id_budget_id_fkey FOREIGN KEY (tenant_id, budget_id) REFERENCES sluice.disruption_budgets(tenant_id, budget_id),
  constraint budget_claims_tenant_id_promotion_id_fkey FOREIGN KEY (tenant_id, promotion_id) REFERENCES sluice.promotions(tenant_id, promotion_id),
  constraint budget_claims_tenant_id_target_id_fkey FOREIGN KEY (tenant_id, target_id) REFERENCES sluice.targets(tenant_id, target_id)
);
CREATE INDEX budget_claims_by_promotion ON sluice.budget_claims USING btree (tenant_id, promotion_id);
alter table sluice.budget_claims enable row level security;
alter table sluice.budget_claims force row level security;
create policy tenant_isolation on sluice.budget_claims as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.commands (
  tenant_id text not null,
  target_id text not null,
  sequence bigint not null,
  command_digest text not null,
  kind text not null,
  promotion_id text not null,
  release_digest text,
  idempotency_key text not null,
  envelope jsonb not null,
  payload text not null,
  fencing_token bigint not null,
  expires_at timestamp with time zone not null,
  workflow_id text not null,
  run_id text not null,
  activity_id text not null,
  created_at timestamp with time zone not null default now(),
  settled_at timestamp with time zone,
  constraint commands_pkey PRIMARY KEY (tenant_id, target_id, sequence),
  constraint commands_tenant_id_command_digest_key UNIQUE (tenant_id, command_digest),
  constraint commands_tenant_id_idempotency_key_key UNIQUE (tenant_id, idempotency_key),
  constraint commands_tenant_id_promotion_id_fkey FOREIGN KEY (tenant_id, promotion_id) REFERENCES sluice.promotions(tenant_id, promotion_id),
  constraint commands_tenant_id_release_digest_fkey FOREIGN KEY (tenant_id, release_digest) REFERENCES sluice.releases(tenant_id, release_digest),
  constraint commands_tenant_id_target_id_fkey FOREIGN KEY (tenant_id, target_id) REFERENCES sluice.targets(tenant_id, target_id),
  constraint commands_kind_check CHECK ((kind = ANY (ARRAY['deploy'::text, 'revert'::text, 'route'::text])))
);
CREATE INDEX commands_by_activity ON sluice.commands USING btree (tenant_id, run_id, activity_id);
CREATE INDEX commands_by_promotion ON sluice.commands USING btree (tenant_id, promotion_id, target_id, sequence);
CREATE INDEX commands_by_release ON sluice.commands USING btree (tenant_id, target_id, release_digest, sequence);
alter table sluice.commands enable row level security;
alter table sluice.commands force row level security;
create policy tenant_isolation on sluice.commands as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.current_releases (
  tenant_id text not null,
  target_id text not null,
  release_digest text,
  promotion_id text not null,
  side jsonb,
  since timestamp with time zone not null default now(),
  constraint current_releases_pkey PRIMARY KEY (tenant_id, target_id),
  constraint current_releases_tenant_id_promotion_id_fkey FOREIGN KEY (tenant_id, promotion_id) REFERENCES sluice.promotions(tenant_id, promotion_id),
  constraint current_releases_tenant_id_target_id_fkey FOREIGN KEY (tenant_id, target_id) REFERENCES sluice.targets(tenant_id, target_id)
);
alter table sluice.current_releases enable row level security;
alter table sluice.current_releases force row level security;
create policy tenant_isolation on sluice.current_releases as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.decisions (
  tenant_id text not null,
  promotion_id text not null,
  step_id text not null,
  decision text not null,
  reason_codes text[] not null,
  policy_digest text not null,
  input_digest text not null,
  determinism_hash text not null,
  evaluated_at timestamp with time zone not null,
  body jsonb not null,
  created_at timestamp with time zone not null default now(),
  constraint decisions_pkey PRIMARY KEY (tenant_id, promotion_id, step_id),
  constraint decisions_tenant_id_promotion_id_fkey FOREIGN KEY (tenant_id, promotion_id) REFERENCES sluice.promotions(tenant_id, promotion_id),
  constraint decisions_decision_check CHECK ((decision = ANY (ARRAY['allow'::text, 'deny'::text, 'pending'::text])))
);
alter table sluice.decisions enable row level security;
alter table sluice.decisions force row level security;
create policy tenant_isolation on sluice.decisions as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.deployments (
  tenant_id text not null,
  promotion_id text not null,
  target_id text not null,
  plan_digest text not null,
  state text not null,
  failure_code text,
  failure_message text,
  created_at timestamp with time zone not null default now(),
  settled_at timestamp with time zone,
  constraint deployments_pkey PRIMARY KEY (tenant_id, promotion_id, target_id),
  constraint deployments_tenant_id_plan_digest_fkey FOREIGN KEY (tenant_id, plan_digest) REFERENCES sluice.plans(tenant_id, plan_digest),
  constraint deployments_tenant_id_promotion_id_fkey FOREIGN KEY (tenant_id, promotion_id) REFERENCES sluice.promotions(tenant_id, promotion_id),
  constraint deployments_tenant_id_target_id_fkey FOREIGN KEY (tenant_id, target_id) REFERENCES sluice.targets(tenant_id, target_id),
  constraint deployments_state_check CHECK ((state = ANY (ARRAY['planned'::text, 'dispatched'::text, 'confirmed'::text, 'reverted'::text, 'refused'::text, 'lost'::text])))
);
CREATE INDEX deployments_by_target ON sluice.deployments USING btree (tenant_id, target_id, created_at DESC);
alter table sluice.deployments enable row level security;
alter table sluice.deployments force row level security;
create policy tenant_isolation on sluice.deployments as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.discrepancies (
  tenant_id text not null,
  discrepancy_id text not null,
  code text not null,
  subject text not null,
  action text not null,
  message text not null,
  remedy text not null,
  detail jsonb not null default '{}'::jsonb,
  first_seen_at timestamp with time zone not null default now(),
  last_seen_at timestamp with time zone not null default now(),
  repair_requested_by text,
  repair_requested_at timestamp with time zone,
  repair_error text,
  constraint discrepancies_pkey PRIMARY KEY (tenant_id, discrepancy_id),
  constraint discrepancies_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES sluice.tenants(tenant_id),
  constraint discrepancies_action_check CHECK ((action = ANY (ARRAY['repair'::text, 'raise'::text]))),
  constraint discrepancies_check CHECK (((repair_requested_by IS NULL) = (repair_requested_at IS NULL))),
  constraint discrepancies_discrepancy_id_check CHECK ((length(discrepancy_id) <= 1000))
);
alter table sluice.discrepancies enable row level security;
alter table sluice.discrepancies force row level security;
create policy tenant_isolation on sluice.discrepancies as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.disruption_budgets (
  tenant_id text not null,
  budget_id text not null,
  selector jsonb not null,
  max_unavailable integer,
  max_unavailable_percent integer,
  offline_seconds integer not null default 60,
  removed_at timestamp with time zone,
  constraint disruption_budgets_pkey PRIMARY KEY (tenant_id, budget_id),
  constraint disruption_budgets_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES sluice.tenants(tenant_id),
  constraint disruption_budgets_check CHECK ((num_nonnulls(max_unavailable, max_unavailable_percent) = 1)),
  constraint disruption_budgets_max_unavailable_check CHECK ((max_unavailable >= 0)),
  constraint disruption_budgets_max_unavailable_percent_check CHECK (((max_unavailable_percent >= 0) AND (max_unavailable_percent <= 100))),
  constraint disruption_budgets_offline_seconds_check CHECK ((offline_seconds > 0)),
  constraint disruption_budgets_selector_check CHECK ((jsonb_typeof(selector) = 'object'::text))
);
alter table sluice.disruption_budgets enable row level security;
alter table sluice.disruption_budgets force row level security;
create policy tenant_isolation on sluice.disruption_budgets as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.effects (
  tenant_id text not null,
  idempotency_key text not null,
  promotion_id text not null,
  step_id text not null,
  target_id text,
  result jsonb not null,
  created_at timestamp with time zone not null default now(),
  constraint effects_pkey PRIMARY KEY (tenant_id, idempotency_key),
  constraint effects_tenant_id_promotion_id_fkey FOREIGN KEY (tenant_id, promotion_id) REFERENCES sluice.promotions(tenant_id, promotion_id)
);
CREATE INDEX effects_by_step ON sluice.effects USING btree (tenant_id, promotion_id, step_id, idempotency_key);
alter table sluice.effects enable row level security;
alter table sluice.effects force row level security;
create policy tenant_isolation on sluice.effects as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.enrolment_tokens (
  tenant_id text not null,
  token_id text not null,
  used_at timestamp with time zone not null default now(),
  target_id text not null,
  constraint enrolment_tokens_pkey PRIMARY KEY (tenant_id, token_id),
  constraint enrolment_tokens_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES sluice.tenants(tenant_id)
);
alter table sluice.enrolment_tokens enable row level security;
alter table sluice.enrolment_tokens force row level security;
create policy tenant_isolation on sluice.enrolment_tokens as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.environments (
  tenant_id text not null,
  environment_id text not null,
  position integer not null,
  pipeline_id text not null,
  policy_id text not null,
  deadlines jsonb not null,
  version integer not null default 1,
  last_promotion_number integer not null default 0,
  removed_at timestamp with time zone,
  predecessors text[] not null default '{}'::text[],
  approval jsonb,
  rollback_roles text[] not null default '{admin}'::text[],
  pipeline_version integer,
  pipeline_parameters jsonb not null default '{}'::jsonb,
  watch jsonb,
  constraint environments_pkey PRIMARY KEY (tenant_id, environment_id),
  constraint environments_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES sluice.tenants(tenant_id),
  constraint environments_pipeline_parameters_check CHECK ((jsonb_typeof(pipeline_parameters) = 'object'::text)),
  constraint environments_pipeline_version_check CHECK ((pipeline_version > 0)),
  constraint environments_watch_check CHECK ((jsonb_typeof(watch) = 'object'::text))
);
alter table sluice.environments enable row level security;
alter table sluice.environments force row level security;
create policy tenant_isolation on sluice.environments as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.event_chains (
  tenant_id text not null,
  position bigint not null,
  hash text not null,
  constraint event_chains_pkey PRIMARY KEY (tenant_id),
  constraint event_chains_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES sluice.tenants(tenant_id),
  constraint event_chains_position_check CHECK (("position" > 0))
);
alter table sluice.event_chains enable row level security;
alter table sluice.event_chains force row level security;
create policy linker_chains on sluice.event_chains as permissive for all to sluice_linker using (true) with check (true);
create policy tenant_isolation on sluice.event_chains as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.events (
  tenant_id text not null,
  event_id text not null,
  type text not null,
  actor text not null,
  subject text not null,
  promotion_id text,
  data jsonb not null,
  trace_id text,
  occurred_at timestamp with time zone not null default now(),
  position bigint,
  previous_hash text,
  hash text,
  arrival bigint not null generated always as identity,
  constraint events_pkey PRIMARY KEY (tenant_id, event_id),
  constraint events_tenant_id_position_key UNIQUE (tenant_id, "position"),
  constraint events_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES sluice.tenants(tenant_id),
  constraint events_check CHECK ((("position" IS NULL) = (hash IS NULL))),
  constraint events_check1 CHECK (((previous_hash IS NULL) OR (hash IS NOT NULL))),
  constraint events_position_check CHECK (("position" > 0))
);
CREATE INDEX events_by_promotion ON sluice.events USING btree (tenant_id, promotion_id, "position", arrival);
CREATE INDEX events_unlinked ON sluice.events USING btree (tenant_id, arrival) WHERE ("position" IS NULL);
alter table sluice.events enable row level security;
alter table sluice.events force row level security;
create policy linker_links on sluice.events as permissive for update to sluice_linker using (("position" IS NULL)) with check (true);
create policy linker_reads on sluice.events as permissive for select to sluice_linker using (true);
create policy tenant_isolation on sluice.events as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.evidence (
  tenant_id text not null,
  digest text not null,
  media_type text not null,
  size bigint not null,
  created_at timestamp with time zone not null default now(),
  constraint evidence_pkey PRIMARY KEY (tenant_id, digest),
  constraint evidence_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES sluice.tenants(tenant_id),
  constraint evidence_digest_check CHECK ((digest ~ '^sha256:[0-9a-f]{64}$'::text)),
  constraint evidence_size_check CHECK ((size >= 0))
);
alter table sluice.evidence enable row level security;
alter table sluice.evidence force row level security;
create policy only_histories_expire on sluice.evidence as restrictive for delete to sluice_worker using ((media_type = 'application/vnd.sluice.history.v1'::text));
create policy tenant_isolation on sluice.evidence as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.idempotency_keys (
  tenant_id text not null,
  principal_id text not null,
  operation text not null,
  idempotency_key text not null,
  payload_digest text not null,
  answer jsonb not null,
  created_at timestamp with time zone not null default now(),
  constraint idempotency_keys_pkey PRIMARY KEY (tenant_id, principal_id, operation, idempotency_key),
  constraint idempotency_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES sluice.tenants(tenant_id),
  constraint idempotency_keys_idempotency_key_check CHECK (((length(idempotency_key) >= 1) AND (length(idempotency_key) <= 200)))
);
alter table sluice.idempotency_keys enable row level security;
alter table sluice.idempotency_keys force row level security;
create policy tenant_isolation on sluice.idempotency_keys as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.lease_queue (
  tenant_id text not null,
  resource text not null,
  holder text not null,
  place bigint not null generated always as identity,
  ready boolean not null default true,
  enqueued_at timestamp with time zone not null default now(),
  constraint lease_queue_pkey PRIMARY KEY (tenant_id, resource, holder),
  constraint lease_queue_tenant_id_resource_fkey FOREIGN KEY (tenant_id, resource) REFERENCES sluice.leases(tenant_id, resource)
);
CREATE INDEX lease_queue_by_place ON sluice.lease_queue USING btree (tenant_id, resource, place);
alter table sluice.lease_queue enable row level security;
alter table sluice.lease_queue force row level security;
create policy tenant_isolation on sluice.lease_queue as permissive for all to public using ((tenant_id = sluice.current_tenant()));
create policy watchdog_reads on sluice.lease_queue as permissive for select to sluice_watchdog using (true);

create table sluice.leases (
  tenant_id text not null,
  resource text not null,
  holder text,
  fencing_token bigint not null default 0,
  acquired_at timestamp with time zone,
  holder_place bigint,
  holder_enqueued_at timestamp with time zone,
  constraint leases_pkey PRIMARY KEY (tenant_id, resource),
  constraint leases_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES sluice.tenants(tenant_id),
  constraint leases_fencing_token_check CHECK ((fencing_token >= 0))
);
alter table sluice.leases enable row level security;
alter table sluice.leases force row level security;
create policy tenant_isolation on sluice.leases as permissive for all to public using ((tenant_id = sluice.current_tenant()));
create policy watchdog_reads on sluice.leases as permissive for select to sluice_watchdog using ((holder IS NOT NULL));

create table sluice.outbox (
  tenant_id text not null,
  outbox_id bigint not null generated always as identity,
  kind text not null,
  body jsonb not null,
  created_at timestamp with time zone not null default now(),
  attempts integer not null default 0,
  next_attempt_at timestamp with time zone not null default now(),
  delivered_at timestamp with time zone,
  last_error text,
  workflow_id text generated as ((body ->> 'workflowId'::text)),
  constraint outbox_pkey PRIMARY KEY (tenant_id, outbox_id),
  constraint outbox_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES sluice.tenants(tenant_id),
  constraint outbox_kind_check CHECK ((kind = ANY (ARRAY['start-workflow'::text, 'signal-workflow'::text, 'complete-activity'::text, 'terminate-workflow'::text, 'reset-workflow'::text, 'retry-activity'::text])))
);
CREATE INDEX outbox_pending ON sluice.outbox USING btree (next_attempt_at) WHERE (delivered_at IS NULL);
CREATE INDEX outbox_pending_of_workflow ON sluice.outbox USING btree (tenant_id, workflow_id) WHERE (delivered_at IS NULL);
alter table sluice.outbox enable row level security;
alter table sluice.outbox force row level security;
create policy relay_delivers on sluice.outbox as permissive for all to sluice_relay using (true);
create policy tenant_isolation on sluice.outbox as permissive for all to public using ((tenant_id = sluice.current_tenant()));
create policy watchdog_reads on sluice.outbox as permissive for select to sluice_watchdog using (((kind = ANY (ARRAY['start-workflow'::text, 'reset-workflow'::text])) AND (delivered_at IS NULL)));

create table sluice.pipelines (
  tenant_id text not null,
  pipeline_id text not null,
  version integer not null,
  pipeline_digest text not null,
  body jsonb not null,
  published_by text,
  published_at timestamp with time zone not null default now(),
  constraint pipelines_pkey PRIMARY KEY (tenant_id, pipeline_id, version),
  constraint pipelines_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES sluice.tenants(tenant_id),
  constraint pipelines_version_check CHECK ((version > 0))
);
alter table sluice.pipelines enable row level security;
alter table sluice.pipelines force row level security;
create policy tenant_isolation on sluice.pipelines as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.plan_sets (
  tenant_id text not null,
  promotion_id text not null,
  round integer not null,
  plan_set_digest text not null,
  body jsonb not null,
  created_at timestamp with time zone not null default now(),
  constraint plan_sets_pkey PRIMARY KEY (tenant_id, promotion_id, round),
  constraint plan_sets_tenant_id_promotion_id_fkey FOREIGN KEY (tenant_id, promotion_id) REFERENCES sluice.promotions(tenant_id, promotion_id),
  constraint plan_sets_plan_set_digest_check CHECK ((plan_set_digest ~ '^sha256:[0-9a-f]{64}$'::text)),
  constraint plan_sets_round_check CHECK ((round > 0))
);
alter table sluice.plan_sets enable row level security;
alter table sluice.plan_sets force row level security;
create policy tenant_isolation on sluice.plan_sets as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.plans (
  tenant_id text not null,
  plan_digest text not null,
  body jsonb not null,
  created_at timestamp with time zone not null default now(),
  constraint plans_pkey PRIMARY KEY (tenant_id, plan_digest),
  constraint plans_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES sluice.tenants(tenant_id)
);
alter table sluice.plans enable row level security;
alter table sluice.plans force row level security;
create policy tenant_isolation on sluice.plans as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.policies (
  tenant_id text not null,
  policy_id text not null,
  version integer not null,
  policy_digest text not null,
  constraint policies_pkey PRIMARY KEY (tenant_id, policy_id, version),
  constraint policies_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES sluice.tenants(tenant_id),
  constraint policies_version_check CHECK ((version > 0))
);
alter table sluice.policies enable row level security;
alter table sluice.policies force row level security;
create policy tenant_isolation on sluice.policies as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.principal_tokens (
  tenant_id text not null,
  principal_id text not null,
  token_hash text not null,
  added_at timestamp with time zone not null default now(),
  constraint principal_tokens_pkey PRIMARY KEY (tenant_id, token_hash),
  constraint principal_tokens_tenant_id_principal_id_fkey FOREIGN KEY (tenant_id, principal_id) REFERENCES sluice.principals(tenant_id, principal_id),
  constraint principal_tokens_token_hash_check CHECK ((token_hash ~ '^sha256:[0-9a-f]{64}$'::text))
);
CREATE UNIQUE INDEX principal_tokens_by_hash ON sluice.principal_tokens USING btree (token_hash);
CREATE INDEX principal_tokens_by_principal ON sluice.principal_tokens USING btree (tenant_id, principal_id);
alter table sluice.principal_tokens enable row level security;
alter table sluice.principal_tokens force row level security;
create policy tenant_isolation on sluice.principal_tokens as permissive for all to public using ((tenant_id = sluice.current_tenant()));
create policy token_lookup on sluice.principal_tokens as permissive for select to sluice_owner using (true);

create table sluice.principals (
  tenant_id text not null,
  principal_id text not null,
  role text not null,
  disabled_at timestamp with time zone,
  kind text not null default 'person'::text,
  owner_id text,
  constraint principals_pkey PRIMARY KEY (tenant_id, principal_id),
  constraint principals_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES sluice.tenants(tenant_id),
  constraint principals_tenant_id_owner_id_fkey FOREIGN KEY (tenant_id, owner_id) REFERENCES sluice.principals(tenant_id, principal_id),
  constraint principals_check CHECK (((kind = 'service'::text) = (owner_id IS NOT NULL))),
  constraint principals_kind_check CHECK ((kind = ANY (ARRAY['person'::text, 'service'::text]))),
  constraint principals_role_check CHECK ((role = ANY (ARRAY['viewer'::text, 'release-manager'::text, 'approver'::text, 'admin'::text])))
);
alter table sluice.principals enable row level security;
alter table sluice.principals force row level security;
create policy tenant_isolation on sluice.principals as permissive for all to public using ((tenant_id = sluice.current_tenant()));
create policy token_lookup on sluice.principals as permissive for select to sluice_owner using (true);

create table sluice.probe_samples (
  tenant_id text not null,
  target_id text not null,
  sampled_at timestamp with time zone not null,
  seconds integer not null,
  requests integer not null,
  errors integer not null,
  p50_ms double precision,
  p90_ms double precision,
  p99_ms double precision,
  active_release text,
  received_at timestamp with time zone not null default now(),
  constraint probe_samples_pkey PRIMARY KEY (tenant_id, target_id, sampled_at),
  constraint probe_samples_tenant_id_target_id_fkey FOREIGN KEY (tenant_id, target_id) REFERENCES sluice.targets(tenant_id, target_id),
  constraint probe_samples_check CHECK (((errors >= 0) AND (errors <= requests))),
  constraint probe_samples_requests_check CHECK ((requests >= 0)),
  constraint probe_samples_seconds_check CHECK (((seconds >= 1) AND (seconds <= 60)))
);
CREATE INDEX probe_samples_by_time ON sluice.probe_samples USING btree (tenant_id, sampled_at);
alter table sluice.probe_samples enable row level security;
alter table sluice.probe_samples force row level security;
create policy tenant_isolation on sluice.probe_samples as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.promotion_steps (
  tenant_id text not null,
  promotion_id text not null,
  step_id text not null,
  ordinal integer not null,
  type text not null,
  state text not null,
  reason_code text,
  reason_message text,
  outputs jsonb not null default '{}'::jsonb,
  started_at timestamp with time zone,
  ended_at timestamp with time zone,
  output_values jsonb not null default '{}'::jsonb,
  attempts integer not null default 0,
  begun_round integer not null default 0,
  failed_undos integer not null default 0,
  output_references jsonb not null default '{}'::jsonb,
  log_bytes bigint not null default 0,
  constraint promotion_steps_pkey PRIMARY KEY (tenant_id, promotion_id, step_id),
  constraint promotion_steps_tenant_id_promotion_id_fkey FOREIGN KEY (tenant_id, promotion_id) REFERENCES sluice.promotions(tenant_id, promotion_id),
  constraint promotion_steps_attempts_check CHECK ((attempts >= 0)),
  constraint promotion_steps_begun_round_check CHECK ((begun_round >= 0)),
  constraint promotion_steps_failed_undos_check CHECK ((failed_undos >= 0)),
  constraint promotion_steps_log_bytes_check CHECK ((log_bytes >= 0)),
  constraint promotion_steps_ordinal_check CHECK ((ordinal >= 0)),
  constraint promotion_steps_output_references_check CHECK ((jsonb_typeof(output_references) = 'object'::text)),
  constraint promotion_steps_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'running'::text, 'waiting'::text, 'succeeded'::text, 'partial'::text, 'failed'::text, 'skipped'::text, 'cancelled'::text, 'reverted'::text])))
);
alter table sluice.promotion_steps enable row level security;
alter table sluice.promotion_steps force row level security;
create policy tenant_isolation on sluice.promotion_steps as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.promotions (
  tenant_id text not null,
  promotion_id text not null,
  environment_id text not null,
  number integer not null,
  release_digest text not null,
  kind text not null,
  state text not null,
  reason_code text,
  reason_message text,
  rules jsonb,
  requested_by text not null,
  traceparent text not null,
  requested_at timestamp with time zone not null default now(),
  started_at timestamp with time zone,
  ended_at timestamp with time zone,
  cancel_requested_at timestamp with time zone,
  packet_digest text,
  requested_person text not null,
  requested_reason text,
  rollback_to text,
  superseded_by text,
  bundle_digest text,
  parameters jsonb not null default '{}'::jsonb,
  target_labels jsonb,
  constraint promotions_pkey PRIMARY KEY (tenant_id, promotion_id),
  constraint promotions_tenant_id_environment_id_number_key UNIQUE (tenant_id, environment_id, number),
  constraint promotions_tenant_id_environment_id_fkey FOREIGN KEY (tenant_id, environment_id) REFERENCES sluice.environments(tenant_id, environment_id),
  constraint promotions_tenant_id_release_digest_fkey FOREIGN KEY (tenant_id, release_digest) REFERENCES sluice.releases(tenant_id, release_digest),
  constraint promotions_bundle_digest_check CHECK ((bundle_digest ~ '^sha256:[0-9a-f]{64}$'::text)),
  constraint promotions_check CHECK (((kind = 'rollback'::text) = (rollback_to IS NOT NULL))),
  constraint promotions_check1 CHECK (((rollback_to IS NULL) = (requested_reason IS NULL))),
  constraint promotions_check2 CHECK (((kind = 'promote'::text) OR (parameters = '{}'::jsonb))),
  constraint promotions_kind_check CHECK ((kind = ANY (ARRAY['promote'::text, 'rollback'::text]))),
  constraint promotions_parameters_check CHECK ((jsonb_typeof(parameters) = 'object'::text)),
  constraint promotions_requested_reason_check CHECK (((length(requested_reason) >= 1) AND (length(requested_reason) <= 500))),
  constraint promotions_rollback_to_check CHECK ((rollback_to = ANY (ARRAY['last-verified'::text, 'release'::text, 'nothing'::text]))),
  constraint promotions_state_check CHECK ((state = ANY (ARRAY['requested'::text, 'queued'::text, 'running'::text, 'waiting'::text, 'succeeded'::text, 'denied'::text, 'failed'::text, 'reverted'::text, 'cancelled'::text])))
);
CREATE INDEX promotions_by_release ON sluice.promotions USING btree (tenant_id, release_digest, requested_at, promotion_id);
CREATE INDEX promotions_by_time ON sluice.promotions USING btree (tenant_id, requested_at, promotion_id);
CREATE INDEX promotions_ended ON sluice.promotions USING btree (tenant_id, environment_id, release_digest, ended_at DESC, number DESC) WHERE (ended_at IS NOT NULL);
CREATE INDEX promotions_open ON sluice.promotions USING btree (tenant_id, promotion_id) WHERE (ended_at IS NULL);
CREATE INDEX promotions_succeeded ON sluice.promotions USING btree (tenant_id, environment_id, ended_at DESC, number DESC) WHERE (state = 'succeeded'::text);
alter table sluice.promotions enable row level security;
alter table sluice.promotions force row level security;
create policy tenant_isolation on sluice.promotions as permissive for all to public using ((tenant_id = sluice.current_tenant()));
create policy watchdog_reads on sluice.promotions as permissive for select to sluice_watchdog using ((ended_at IS NULL));
create policy watchdog_sees_ended on sluice.promotions as permissive for select to sluice_watchdog using (((EXISTS ( SELECT
   FROM sluice.leases l
  WHERE ((l.tenant_id = promotions.tenant_id) AND (l.holder = ('promotion:'::text || promotions.promotion_id))))) OR (EXISTS ( SELECT
   FROM sluice.lease_queue q
  WHERE ((q.tenant_id = promotions.tenant_id) AND (q.holder = ('promotion:'::text || promotions.promotion_id)))))));
create policy worker_opens_watch_rollbacks on sluice.promotions as restrictive for insert to sluice_worker with check (((kind = 'rollback'::text) AND (requested_by = 'system:watch'::text)));
CREATE TRIGGER promotions_keep_release BEFORE UPDATE OF release_digest ON sluice.promotions FOR EACH ROW EXECUTE FUNCTION sluice.keep_release();

create table sluice.reconciliations (
  tenant_id text not null,
  looked_at timestamp with time zone not null,
  constraint reconciliations_pkey PRIMARY KEY (tenant_id),
  constraint reconciliations_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES sluice.tenants(tenant_id)
);
alter table sluice.reconciliations enable row level security;
alter table sluice.reconciliations force row level security;
create policy tenant_isolation on sluice.reconciliations as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.release_requests (
  tenant_id text not null,
  request_id text not null,
  state text not null,
  body jsonb not null,
  release_digest text,
  refusal_code text,
  refusal_message text,
  requested_by text not null,
  trace_id text,
  created_at timestamp with time zone not null default now(),
  settled_at timestamp with time zone,
  constraint release_requests_pkey PRIMARY KEY (tenant_id, request_id),
  constraint release_requests_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES sluice.tenants(tenant_id),
  constraint release_requests_tenant_id_release_digest_fkey FOREIGN KEY (tenant_id, release_digest) REFERENCES sluice.releases(tenant_id, release_digest),
  constraint release_requests_check CHECK (((state = 'created'::text) = (release_digest IS NOT NULL))),
  constraint release_requests_check1 CHECK (((state = 'refused'::text) = (refusal_code IS NOT NULL))),
  constraint release_requests_state_check CHECK ((state = ANY (ARRAY['resolving'::text, 'created'::text, 'refused'::text])))
);
alter table sluice.release_requests enable row level security;
alter table sluice.release_requests force row level security;
create policy tenant_isolation on sluice.release_requests as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.release_watches (
  tenant_id text not null,
  promotion_id text not null,
  rules jsonb not null,
  state text not null default 'watching'::text,
  reason_code text,
  reason_message text,
  rollback_id text,
  since timestamp with time zone not null default now(),
  until timestamp with time zone not null,
  looked_at timestamp with time zone,
  rounds integer not null default 0,
  blind_seconds integer not null default 0,
  blind_code text,
  blind_message text,
  progress jsonb not null default '{}'::jsonb,
  ended_at timestamp with time zone,
  constraint release_watches_pkey PRIMARY KEY (tenant_id, promotion_id),
  constraint release_watches_tenant_id_promotion_id_fkey FOREIGN KEY (tenant_id, promotion_id) REFERENCES sluice.promotions(tenant_id, promotion_id),
  constraint release_watches_tenant_id_rollback_id_fkey FOREIGN KEY (tenant_id, rollback_id) REFERENCES sluice.promotions(tenant_id, promotion_id),
  constraint release_watches_blind_seconds_check CHECK ((blind_seconds >= 0)),
  constraint release_watches_check CHECK (((state = 'watching'::text) = (ended_at IS NULL))),
  constraint release_watches_progress_check CHECK ((jsonb_typeof(progress) = 'object'::text)),
  constraint release_watches_rounds_check CHECK ((rounds >= 0)),
  constraint release_watches_state_check CHECK ((state = ANY (ARRAY['watching'::text, 'held'::text, 'alarmed'::text, 'superseded'::text, 'failed'::text])))
);
alter table sluice.release_watches enable row level security;
alter table sluice.release_watches force row level security;
create policy tenant_isolation on sluice.release_watches as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.releases (
  tenant_id text not null,
  release_digest text not null,
  name text not null,
  version text not null,
  body jsonb not null,
  created_by text not null,
  created_at timestamp with time zone not null default now(),
  constraint releases_pkey PRIMARY KEY (tenant_id, release_digest),
  constraint releases_tenant_id_name_version_key UNIQUE (tenant_id, name, version),
  constraint releases_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES sluice.tenants(tenant_id),
  constraint releases_release_digest_check CHECK ((release_digest ~ '^sha256:[0-9a-f]{64}$'::text))
);
CREATE INDEX releases_by_name ON sluice.releases USING btree (tenant_id, name, created_at, release_digest);
CREATE INDEX releases_by_time ON sluice.releases USING btree (tenant_id, created_at, release_digest);
alter table sluice.releases enable row level security;
alter table sluice.releases force row level security;
create policy app_makes_nothing on sluice.releases as restrictive for insert to sluice_app with check (((release_digest = 'sha256:94bc51a60f2c0c58e26f135cd1047155ae9c29dbde86051ff282920e0777c066'::text) AND (name = 'nothing'::text) AND (version = '0'::text) AND (body = '{"name": "nothing", "schema": "sluice.release/v1", "version": "0", "components": []}'::jsonb)));
create policy tenant_isolation on sluice.releases as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.resolved_pipelines (
  tenant_id text not null,
  pipeline_digest text not null,
  body jsonb not null,
  created_at timestamp with time zone not null default now(),
  constraint resolved_pipelines_pkey PRIMARY KEY (tenant_id, pipeline_digest),
  constraint resolved_pipelines_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES sluice.tenants(tenant_id),
  constraint resolved_pipelines_pipeline_digest_check CHECK ((pipeline_digest ~ '^sha256:[0-9a-f]{64}$'::text))
);
alter table sluice.resolved_pipelines enable row level security;
alter table sluice.resolved_pipelines force row level security;
create policy tenant_isolation on sluice.resolved_pipelines as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.rollout_steers (
  tenant_id text not null,
  steer_id text not null,
  promotion_id text not null,
  step_id text not null,
  action text not null,
  principal_id text not null,
  person_id text not null,
  comment text not null,
  state text not null default 'asked'::text,
  round integer,
  stage integer,
  refusal_code text,
  refusal_message text,
  asked_at timestamp with time zone not null default now(),
  decided_at timestamp with time zone,
  constraint rollout_steers_pkey PRIMARY KEY (tenant_id, steer_id),
  constraint rollout_steers_tenant_id_promotion_id_step_id_fkey FOREIGN KEY (tenant_id, promotion_id, step_id) REFERENCES sluice.promotion_steps(tenant_id, promotion_id, step_id),
  constraint rollout_steers_action_check CHECK ((action = ANY (ARRAY['pause'::text, 'resume'::text, 'skip'::text, 'abort'::text, 'promote'::text]))),
  constraint rollout_steers_check CHECK (((state = 'asked'::text) = (decided_at IS NULL))),
  constraint rollout_steers_check1 CHECK (((state = 'refused'::text) = (refusal_code IS NOT NULL))),
  constraint rollout_steers_check2 CHECK (((state = 'recorded'::text) = ((round IS NOT NULL) AND (stage IS NOT NULL)))),
  constraint rollout_steers_check3 CHECK (((round IS NULL) = (stage IS NULL))),
  constraint rollout_steers_comment_check CHECK ((length(comment) <= 500)),
  constraint rollout_steers_round_check CHECK ((round > 0)),
  constraint rollout_steers_stage_check CHECK (((stage >= 0) AND (stage <= 49))),
  constraint rollout_steers_state_check CHECK ((state = ANY (ARRAY['asked'::text, 'recorded'::text, 'refused'::text])))
);
CREATE INDEX rollout_steers_by_step ON sluice.rollout_steers USING btree (tenant_id, promotion_id, step_id, asked_at);
alter table sluice.rollout_steers enable row level security;
alter table sluice.rollout_steers force row level security;
create policy tenant_isolation on sluice.rollout_steers as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.rollouts (
  tenant_id text not null,
  promotion_id text not null,
  step_id text not null,
  round integer not null,
  strategy text not null,
  layout jsonb not null,
  inputs jsonb not null,
  state text not null default 'running'::text,
  stage integer not null default 0,
  phase text not null default 'gate'::text,
  reason_code text,
  reason_message text,
  route_before jsonb,
  started_at timestamp with time zone not null default now(),
  changed_at timestamp with time zone not null default now(),
  ended_at timestamp with time zone,
  constraint rollouts_pkey PRIMARY KEY (tenant_id, promotion_id, step_id, round),
  constraint rollouts_tenant_id_promotion_id_step_id_fkey FOREIGN KEY (tenant_id, promotion_id, step_id) REFERENCES sluice.promotion_steps(tenant_id, promotion_id, step_id),
  constraint rollouts_check CHECK (((ended_at IS NULL) = (state = ANY (ARRAY['running'::text, 'paused'::text])))),
  constraint rollouts_phase_check CHECK ((phase = ANY (ARRAY['gate'::text, 'deploy'::text, 'traffic'::text, 'soak'::text, 'held'::text]))),
  constraint rollouts_round_check CHECK ((round > 0)),
  constraint rollouts_stage_check CHECK (((stage >= 0) AND (stage <= 49))),
  constraint rollouts_state_check CHECK ((state = ANY (ARRAY['running'::text, 'paused'::text, 'completed'::text, 'failed'::text, 'aborted'::text, 'cancelled'::text]))),
  constraint rollouts_strategy_check CHECK ((strategy = ANY (ARRAY['all-at-once'::text, 'rolling'::text, 'waves'::text, 'canary'::text, 'blue-green'::text, 'ab'::text])))
);
CREATE INDEX rollouts_open ON sluice.rollouts USING btree (tenant_id, promotion_id) WHERE (ended_at IS NULL);
alter table sluice.rollouts enable row level security;
alter table sluice.rollouts force row level security;
create policy tenant_isolation on sluice.rollouts as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.route_changes (
  tenant_id text not null,
  command_digest text not null,
  target_id text not null,
  promotion_id text not null,
  step_id text not null,
  round integer not null,
  stage integer,
  canary_permille integer not null,
  route_table jsonb not null,
  state text not null default 'dispatched'::text,
  failure_code text,
  failure_message text,
  dispatched_at timestamp with time zone not null default now(),
  settled_at timestamp with time zone,
  constraint route_changes_pkey PRIMARY KEY (tenant_id, command_digest),
  constraint route_changes_tenant_id_promotion_id_step_id_fkey FOREIGN KEY (tenant_id, promotion_id, step_id) REFERENCES sluice.promotion_steps(tenant_id, promotion_id, step_id),
  constraint route_changes_tenant_id_target_id_fkey FOREIGN KEY (tenant_id, target_id) REFERENCES sluice.targets(tenant_id, target_id),
  constraint route_changes_canary_permille_check CHECK (((canary_permille >= 0) AND (canary_permille <= 1000))),
  constraint route_changes_round_check CHECK ((round > 0)),
  constraint route_changes_stage_check CHECK (((stage >= 0) AND (stage <= 49))),
  constraint route_changes_state_check CHECK ((state = ANY (ARRAY['dispatched'::text, 'confirmed'::text, 'reverted'::text, 'refused'::text])))
);
CREATE INDEX route_changes_by_promotion ON sluice.route_changes USING btree (tenant_id, promotion_id, dispatched_at);
alter table sluice.route_changes enable row level security;
alter table sluice.route_changes force row level security;
create policy tenant_isolation on sluice.route_changes as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.routes (
  tenant_id text not null,
  target_id text not null,
  route_table jsonb not null,
  table_digest text not null,
  promotion_id text not null,
  command_digest text not null,
  since timestamp with time zone not null default now(),
  constraint routes_pkey PRIMARY KEY (tenant_id, target_id),
  constraint routes_tenant_id_promotion_id_fkey FOREIGN KEY (tenant_id, promotion_id) REFERENCES sluice.promotions(tenant_id, promotion_id),
  constraint routes_tenant_id_target_id_fkey FOREIGN KEY (tenant_id, target_id) REFERENCES sluice.targets(tenant_id, target_id),
  constraint routes_table_digest_check CHECK ((table_digest ~ '^sha256:[0-9a-f]{64}$'::text))
);
alter table sluice.routes enable row level security;
alter table sluice.routes force row level security;
create policy tenant_isolation on sluice.routes as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.schema_migrations (
  number integer not null,
  name text not null,
  digest text not null,
  applied_at timestamp with time zone not null default now(),
  constraint schema_migrations_pkey PRIMARY KEY (number),
  constraint schema_migrations_name_key UNIQUE (name),
  constraint schema_migrations_digest_check CHECK ((digest ~ '^sha256:[0-9a-f]{64}$'::text)),
  constraint schema_migrations_number_check CHECK ((number > 0))
);

create table sluice.sources (
  tenant_id text not null,
  source_id text not null,
  kind text not null,
  location text not null,
  removed_at timestamp with time zone,
  constraint sources_pkey PRIMARY KEY (tenant_id, source_id),
  constraint sources_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES sluice.tenants(tenant_id),
  constraint sources_kind_check CHECK ((kind = 'oci-layout'::text))
);
alter table sluice.sources enable row level security;
alter table sluice.sources force row level security;
create policy tenant_isolation on sluice.sources as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.statements (
  tenant_id text not null,
  statement_digest text not null,
  promotion_id text not null,
  step_id text,
  target_id text,
  predicate_type text not null,
  envelope jsonb not null,
  created_at timestamp with time zone not null default now(),
  ordinal bigint not null generated always as identity,
  constraint statements_pkey PRIMARY KEY (tenant_id, statement_digest),
  constraint statements_tenant_id_promotion_id_fkey FOREIGN KEY (tenant_id, promotion_id) REFERENCES sluice.promotions(tenant_id, promotion_id)
);
CREATE INDEX statements_by_promotion ON sluice.statements USING btree (tenant_id, promotion_id, ordinal);
alter table sluice.statements enable row level security;
alter table sluice.statements force row level security;
create policy tenant_isolation on sluice.statements as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.step_log_chunks (
  tenant_id text not null,
  promotion_id text not null,
  step_id text not null,
  round integer not null,
  member_key text not null,
  stream text not null,
  attempt integer not null,
  sequence integer not null,
  byte_offset bigint not null,
  content text not null,
  written_at timestamp with time zone not null default now(),
  constraint step_log_chunks_pkey PRIMARY KEY (tenant_id, promotion_id, step_id, round, member_key, stream, attempt, sequence),
  constraint step_log_chunks_tenant_id_promotion_id_step_id_round_member_key UNIQUE (tenant_id, promotion_id, step_id, round, member_key, stream, attempt, byte_offset),
  constraint step_log_chunks_tenant_id_promotion_id_step_id_round_membe_fkey FOREIGN KEY (tenant_id, promotion_id, step_id, round, member_key, stream, attempt) REFERENCES sluice.step_logs(tenant_id, promotion_id, step_id, round, member_key, stream, attempt),
  constraint step_log_chunks_byte_offset_check CHECK ((byte_offset >= 0)),
  constraint step_log_chunks_content_check CHECK (((octet_length(content) >= 1) AND (octet_length(content) <= 32768))),
  constraint step_log_chunks_sequence_check CHECK ((sequence > 0))
);
alter table sluice.step_log_chunks enable row level security;
alter table sluice.step_log_chunks force row level security;
create policy tenant_isolation on sluice.step_log_chunks as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.step_logs (
  tenant_id text not null,
  promotion_id text not null,
  step_id text not null,
  round integer not null,
  member_key text not null,
  stream text not null,
  attempt integer not null,
  log_digest text,
  bytes bigint not null default 0,
  truncated_bytes bigint not null default 0,
  started_at timestamp with time zone not null default now(),
  ended_at timestamp with time zone,
  constraint step_logs_pkey PRIMARY KEY (tenant_id, promotion_id, step_id, round, member_key, stream, attempt),
  constraint step_logs_tenant_id_promotion_id_step_id_fkey FOREIGN KEY (tenant_id, promotion_id, step_id) REFERENCES sluice.promotion_steps(tenant_id, promotion_id, step_id),
  constraint step_logs_attempt_check CHECK ((attempt > 0)),
  constraint step_logs_bytes_check CHECK ((bytes >= 0)),
  constraint step_logs_check CHECK (((log_digest IS NULL) = (ended_at IS NULL))),
  constraint step_logs_log_digest_check CHECK ((log_digest ~ '^sha256:[0-9a-f]{64}$'::text)),
  constraint step_logs_member_key_check CHECK ((length(member_key) <= 63)),
  constraint step_logs_round_check CHECK ((round > 0)),
  constraint step_logs_stream_check CHECK ((stream = ANY (ARRAY['run'::text, 'compensation'::text]))),
  constraint step_logs_truncated_bytes_check CHECK ((truncated_bytes >= 0))
);
CREATE INDEX step_logs_open ON sluice.step_logs USING btree (tenant_id, promotion_id, step_id) WHERE (ended_at IS NULL);
alter table sluice.step_logs enable row level security;
alter table sluice.step_logs force row level security;
create policy tenant_isolation on sluice.step_logs as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.step_members (
  tenant_id text not null,
  promotion_id text not null,
  step_id text not null,
  round integer not null,
  member_index integer not null,
  member_key text not null,
  target_id text,
  value jsonb not null,
  state text not null default 'pending'::text,
  reason_code text,
  reason_message text,
  output_values jsonb not null default '{}'::jsonb,
  attempts integer not null default 0,
  failed_undos integer not null default 0,
  started_at timestamp with time zone,
  ended_at timestamp with time zone,
  output_references jsonb not null default '{}'::jsonb,
  constraint step_members_pkey PRIMARY KEY (tenant_id, promotion_id, step_id, round, member_index),
  constraint step_members_tenant_id_promotion_id_step_id_round_member_ke_key UNIQUE (tenant_id, promotion_id, step_id, round, member_key),
  constraint step_members_tenant_id_promotion_id_step_id_fkey FOREIGN KEY (tenant_id, promotion_id, step_id) REFERENCES sluice.promotion_steps(tenant_id, promotion_id, step_id),
  constraint step_members_tenant_id_target_id_fkey FOREIGN KEY (tenant_id, target_id) REFERENCES sluice.targets(tenant_id, target_id),
  constraint step_members_attempts_check CHECK ((attempts >= 0)),
  constraint step_members_check CHECK (((target_id IS NULL) OR (target_id = member_key))),
  constraint step_members_failed_undos_check CHECK ((failed_undos >= 0)),
  constraint step_members_member_index_check CHECK (((member_index >= 0) AND (member_index <= 9999))),
  constraint step_members_member_key_check CHECK (((length(member_key) >= 1) AND (length(member_key) <= 63))),
  constraint step_members_output_references_check CHECK ((jsonb_typeof(output_references) = 'object'::text)),
  constraint step_members_round_check CHECK ((round > 0)),
  constraint step_members_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'running'::text, 'succeeded'::text, 'denied'::text, 'failed'::text, 'cancelled'::text, 'skipped'::text, 'reverted'::text])))
);
CREATE INDEX step_members_by_state ON sluice.step_members USING btree (tenant_id, promotion_id, step_id, round, state, member_index);
alter table sluice.step_members enable row level security;
alter table sluice.step_members force row level security;
create policy tenant_isolation on sluice.step_members as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.targets (
  tenant_id text not null,
  target_id text not null,
  environment_id text not null,
  kind text not null,
  address text not null,
  labels jsonb not null default '{}'::jsonb,
  settings jsonb not null default '{}'::jsonb,
  health jsonb not null,
  version integer not null default 1,
  last_command_sequence bigint not null default 0,
  removed_at timestamp with time zone,
  constraint targets_pkey PRIMARY KEY (tenant_id, target_id),
  constraint targets_tenant_id_environment_id_fkey FOREIGN KEY (tenant_id, environment_id) REFERENCES sluice.environments(tenant_id, environment_id),
  constraint targets_kind_check CHECK ((kind = ANY (ARRAY['linux-host'::text, 'haproxy'::text, 'nginx'::text, 'caddy'::text, 'traefik'::text])))
);
CREATE INDEX targets_by_environment ON sluice.targets USING btree (tenant_id, environment_id, target_id);
alter table sluice.targets enable row level security;
alter table sluice.targets force row level security;
create policy tenant_isolation on sluice.targets as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.tenants (
  tenant_id text not null,
  created_at timestamp with time zone not null default now(),
  history_rules jsonb not null default '[]'::jsonb,
  constraint tenants_pkey PRIMARY KEY (tenant_id),
  constraint tenants_tenant_id_check CHECK ((tenant_id ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text))
);
alter table sluice.tenants enable row level security;
alter table sluice.tenants force row level security;
create policy linker_names_tenants on sluice.tenants as permissive for select to sluice_linker using (true);
create policy tenant_isolation on sluice.tenants as permissive for all to public using ((tenant_id = sluice.current_tenant()));
create policy watchdog_names_tenants on sluice.tenants as permissive for select to sluice_watchdog using (true);

create table sluice.workflow_bundles (
  bundle_digest text not null,
  build_id text not null,
  sdk_version text not null,
  content_digest text not null,
  size bigint not null,
  first_seen_at timestamp with time zone not null default now(),
  constraint workflow_bundles_pkey PRIMARY KEY (bundle_digest),
  constraint workflow_bundles_build_id_check CHECK (((length(build_id) >= 1) AND (length(build_id) <= 100))),
  constraint workflow_bundles_bundle_digest_check CHECK ((bundle_digest ~ '^sha256:[0-9a-f]{64}$'::text)),
  constraint workflow_bundles_content_digest_check CHECK ((content_digest ~ '^sha256:[0-9a-f]{64}$'::text)),
  constraint workflow_bundles_size_check CHECK ((size >= 0))
);
CREATE INDEX workflow_bundles_by_build ON sluice.workflow_bundles USING btree (build_id);
CREATE INDEX workflow_bundles_by_time ON sluice.workflow_bundles USING btree (first_seen_at, bundle_digest);

create table sluice.workflow_executions (
  tenant_id text not null,
  workflow_id text not null,
  workflow_type text not null,
  promotion_id text generated as (
CASE
    WHEN (workflow_id ~ '^(promotion|settlement)/'::text) THEN regexp_replace(workflow_id, '^[a-z]+/[^/]+/'::text, ''::text)
    WHEN (workflow_id ~ '^shard/'::text) THEN "substring"(workflow_id, '^shard/[^/]+/([^/]+/[^/]+)/'::text)
    ELSE NULL::text
END),
  requested_at timestamp with time zone not null default now(),
  look_at timestamp with time zone not null default (now() + '00:00:02'::interval),
  archived_at timestamp with time zone,
  lost_at timestamp with time zone,
  constraint workflow_executions_pkey PRIMARY KEY (tenant_id, workflow_id),
  constraint workflow_executions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES sluice.tenants(tenant_id),
  constraint workflow_executions_check CHECK (((archived_at IS NULL) OR (lost_at IS NULL))),
  constraint workflow_executions_workflow_id_check CHECK ((length(workflow_id) <= 1000))
);
CREATE INDEX workflow_executions_by_promotion ON sluice.workflow_executions USING btree (tenant_id, promotion_id);
CREATE INDEX workflow_executions_due ON sluice.workflow_executions USING btree (look_at) WHERE ((archived_at IS NULL) AND (lost_at IS NULL));
alter table sluice.workflow_executions enable row level security;
alter table sluice.workflow_executions force row level security;
create policy only_owes on sluice.workflow_executions as restrictive for all to sluice_app using (true) with check (((archived_at IS NULL) AND (lost_at IS NULL)));
create policy tenant_isolation on sluice.workflow_executions as permissive for all to public using ((tenant_id = sluice.current_tenant()));
create policy watchdog_reads on sluice.workflow_executions as permissive for select to sluice_watchdog using (((archived_at IS NULL) AND (lost_at IS NULL)));

create table sluice.workflow_histories (
  tenant_id text not null,
  workflow_id text not null,
  run_id text not null,
  workflow_type text not null,
  promotion_id text generated as (
CASE
    WHEN (workflow_id ~ '^(promotion|settlement)/'::text) THEN regexp_replace(workflow_id, '^[a-z]+/[^/]+/'::text, ''::text)
    WHEN (workflow_id ~ '^shard/'::text) THEN "substring"(workflow_id, '^shard/[^/]+/([^/]+/[^/]+)/'::text)
    ELSE NULL::text
END),
  status text not null,
  event_count integer not null,
  build_ids text[] not null,
  bundle_digests text[] not null,
  history_digest text not null,
  archive_digest text not null,
  archive_size bigint not null,
  packet_digest text,
  statement_digest text not null,
  envelope jsonb not null,
  started_at timestamp with time zone not null,
  closed_at timestamp with time zone not null,
  archived_at timestamp with time zone not null default now(),
  expired_at timestamp with time zone,
  constraint workflow_histories_pkey PRIMARY KEY (tenant_id, workflow_id, run_id),
  constraint workflow_histories_tenant_id_workflow_id_fkey FOREIGN KEY (tenant_id, workflow_id) REFERENCES sluice.workflow_executions(tenant_id, workflow_id),
  constraint workflow_histories_archive_digest_check CHECK ((archive_digest ~ '^sha256:[0-9a-f]{64}$'::text)),
  constraint workflow_histories_archive_size_check CHECK ((archive_size > 0)),
  constraint workflow_histories_event_count_check CHECK ((event_count > 0)),
  constraint workflow_histories_history_digest_check CHECK ((history_digest ~ '^sha256:[0-9a-f]{64}$'::text)),
  constraint workflow_histories_status_check CHECK ((status = ANY (ARRAY['completed'::text, 'failed'::text, 'cancelled'::text, 'terminated'::text, 'timed-out'::text, 'continued-as-new'::text])))
);
CREATE INDEX workflow_histories_by_promotion ON sluice.workflow_histories USING btree (tenant_id, promotion_id, started_at);
CREATE INDEX workflow_histories_kept ON sluice.workflow_histories USING btree (tenant_id, closed_at) WHERE (expired_at IS NULL);
alter table sluice.workflow_histories enable row level security;
alter table sluice.workflow_histories force row level security;
create policy tenant_isolation on sluice.workflow_histories as permissive for all to public using ((tenant_id = sluice.current_tenant()));

create table sluice.workflow_problems (
  tenant_id text not null,
  workflow_id text not null,
  promotion_id text generated as (
CASE
    WHEN (workflow_id ~ '^(promotion|settlement)/'::text) THEN regexp_replace(workflow_id, '^[a-z]+/[^/]+/'::text, ''::text)
    WHEN (workflow_id ~ '^shard/'::text) THEN "substring"(workflow_id, '^shard/[^/]+/([^/]+/[^/]+)/'::text)
    ELSE NULL::text
END),
  code text not null,
  message text not null,
  cause text,
  attempt integer not null,
  event_number bigint,
  activity text,
  build_id text,
  first_seen_at timestamp with time zone not null default now(),
  last_seen_at timestamp with time zone not null default now(),
  constraint workflow_problems_pkey PRIMARY KEY (tenant_id, workflow_id),
  constraint workflow_problems_tenant_id_workflow_id_fkey FOREIGN KEY (tenant_id, workflow_id) REFERENCES sluice.workflow_executions(tenant_id, workflow_id),
  constraint workflow_problems_attempt_check CHECK ((attempt > 0)),
  constraint workflow_problems_code_check CHECK ((code = ANY (ARRAY['nondeterminism'::text, 'workflow-task-failing'::text, 'activity-failing'::text, 'no-worker'::text])))
);
CREATE INDEX workflow_problems_by_promotion ON sluice.workflow_problems USING btree (tenant_id, promotion_id);
alter table sluice.workflow_problems enable row level security;
alter table sluice.workflow_problems force row level security;
create policy tenant_isolation on sluice.workflow_problems as permissive for all to public using ((tenant_id = sluice.current_tenant()));

CREATE OR REPLACE FUNCTION sluice.current_tenant()
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN NULLIF(current_setting('sluice.tenant_id'::text, true), ''::text);

CREATE OR REPLACE FUNCTION sluice.find_agent(wanted text)
 RETURNS TABLE(tenant_id text, target_id text, public_key text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'sluice', 'pg_temp'
BEGIN ATOMIC
 SELECT a.tenant_id,
     a.target_id,
     a.public_key
    FROM sluice.agents a
   WHERE ((a.key_id = find_agent.wanted) AND (a.revoked_at IS NULL));
END;

CREATE OR REPLACE FUNCTION sluice.find_principal(hash text)
 RETURNS TABLE(tenant_id text, principal_id text, role text, kind text, person_id text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'sluice', 'pg_temp'
BEGIN ATOMIC
 SELECT p.tenant_id,
     p.principal_id,
     p.role,
     p.kind,
     COALESCE(o.principal_id, p.principal_id) AS "coalesce"
    FROM ((sluice.principal_tokens t
      JOIN sluice.principals p ON (((p.tenant_id = t.tenant_id) AND (p.principal_id = t.principal_id))))
      LEFT JOIN sluice.principals o ON (((o.tenant_id = p.tenant_id) AND (o.principal_id = p.owner_id))))
   WHERE ((t.token_hash = find_principal.hash) AND (p.disabled_at IS NULL) AND (o.disabled_at IS NULL));
END;

CREATE OR REPLACE FUNCTION sluice.keep_release()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
end $function$;

grant execute on function sluice.current_tenant() to public;
grant execute on function sluice.find_agent(wanted text) to sluice_app;
grant execute on function sluice.find_principal(hash text) to sluice_app;
grant usage on schema sluice to sluice_app;
grant usage on schema sluice to sluice_linker;
grant usage on schema sluice to sluice_relay;
grant usage on schema sluice to sluice_signer;
grant usage on schema sluice to sluice_watchdog;
grant usage on schema sluice to sluice_worker;
grant delete, insert, select on table sluice.agent_nonces to sluice_app;
grant insert, select on table sluice.agent_reports to sluice_app;
grant select on table sluice.agent_reports to sluice_signer;
grant select on table sluice.agent_reports to sluice_worker;
grant insert, select, update (active_release, active_reported_at, enrolled_at, key_id, last_heartbeat_at, public_key, revoked_at, version) on table sluice.agents to sluice_app;
grant select on table sluice.agents to sluice_signer;
grant select on table sluice.agents to sluice_worker;
grant select on table sluice.analyses to sluice_app;
grant insert, select, update (document_digest, ended_at, outcome, reason_code, reason_message, score, started_at) on table sluice.analyses to sluice_worker;
grant select on table sluice.approval_requests to sluice_app;
grant select on table sluice.approval_requests to sluice_signer;
grant insert, select, update (closed_at, reason_code, reason_message, state) on table sluice.approval_requests to sluice_worker;
grant insert (approval_id, comment, decision, kind, person_id, plan_set_digest, principal_id, promotion_id, release_digest, role, tenant_id), select, update (refusal_code, refusal_message, settled_at, state) on table sluice.approvals to sluice_app;
grant select on table sluice.approvals to sluice_signer;
grant select, update (refusal_code, refusal_message, round, settled_at, state, statement_digest, step_id) on table sluice.approvals to sluice_worker;
grant select on table sluice.budget_claims to sluice_app;
grant delete, insert, select on table sluice.budget_claims to sluice_worker;
grant select, update (settled_at) on table sluice.commands to sluice_app;
grant select on table sluice.commands to sluice_signer;
grant insert, select, update (activity_id, run_id, workflow_id) on table sluice.commands to sluice_worker;
grant select on table sluice.current_releases to sluice_app;
grant select on table sluice.current_releases to sluice_signer;
grant insert, select, update (promotion_id, release_digest, side, since) on table sluice.current_releases to sluice_worker;
grant select on table sluice.decisions to sluice_app;
grant select on table sluice.decisions to sluice_signer;
grant insert, select on table sluice.decisions to sluice_worker;
grant select, update (failure_code, failure_message, settled_at, state) on table sluice.deployments to sluice_app;
grant select on table sluice.deployments to sluice_signer;
grant insert, select, update (failure_code, failure_message, plan_digest, settled_at, state) on table sluice.deployments to sluice_worker;
grant select, update (repair_error, repair_requested_at, repair_requested_by) on table sluice.discrepancies to sluice_app;
grant delete, insert, select, update (action, detail, last_seen_at, message, remedy, repair_error, repair_requested_at, repair_requested_by) on table sluice.discrepancies to sluice_worker;
grant insert, select, update (max_unavailable, max_unavailable_percent, offline_seconds, removed_at, selector) on table sluice.disruption_budgets to sluice_app;
grant select on table sluice.disruption_budgets to sluice_signer;
grant select, update (max_unavailable) on table sluice.disruption_budgets to sluice_worker;
grant insert, select on table sluice.effects to sluice_worker;
grant insert, select on table sluice.enrolment_tokens to sluice_app;
grant insert, select, update (approval, deadlines, last_promotion_number, pipeline_id, pipeline_parameters, pipeline_version, policy_id, position, predecessors, removed_at, rollback_roles, version, watch) on table sluice.environments to sluice_app;
grant select on table sluice.environments to sluice_signer;
grant select, update (last_promotion_number) on table sluice.environments to sluice_worker;
grant insert, select, update (hash, position) on table sluice.event_chains to sluice_linker;
grant insert, select on table sluice.events to sluice_app;
grant select, update (hash, position, previous_hash) on table sluice.events to sluice_linker;
grant insert, select on table sluice.events to sluice_worker;
grant select on table sluice.evidence to sluice_app;
grant select on table sluice.evidence to sluice_signer;
grant delete, insert, select on table sluice.evidence to sluice_worker;
grant insert, select on table sluice.idempotency_keys to sluice_app;
grant select on table sluice.lease_queue to sluice_app;
grant select (holder, resource, tenant_id) on table sluice.lease_queue to sluice_watchdog;
grant delete, insert, select, update (ready) on table sluice.lease_queue to sluice_worker;
grant select on table sluice.leases to sluice_app;
grant select on table sluice.leases to sluice_signer;
grant select (holder, resource, tenant_id) on table sluice.leases to sluice_watchdog;
grant insert, select, update (acquired_at, fencing_token, holder, holder_enqueued_at, holder_place) on table sluice.leases to sluice_worker;
grant insert on table sluice.outbox to sluice_app;
grant select, update (attempts, delivered_at, last_error, next_attempt_at) on table sluice.outbox to sluice_relay;
grant select (delivered_at, kind, tenant_id, workflow_id) on table sluice.outbox to sluice_watchdog;
grant insert, select (attempts, created_at, delivered_at, kind, last_error, outbox_id, tenant_id, workflow_id) on table sluice.outbox to sluice_worker;
grant insert, select on table sluice.pipelines to sluice_app;
grant select on table sluice.pipelines to sluice_worker;
grant select on table sluice.plan_sets to sluice_app;
grant select on table sluice.plan_sets to sluice_signer;
grant insert, select on table sluice.plan_sets to sluice_worker;
grant select on table sluice.plans to sluice_app;
grant select on table sluice.plans to sluice_signer;
grant insert, select on table sluice.plans to sluice_worker;
grant insert, select on table sluice.policies to sluice_app;
grant select on table sluice.policies to sluice_worker;
grant delete, insert, select on table sluice.principal_tokens to sluice_app;
grant insert, select, update (disabled_at, kind, owner_id, role) on table sluice.principals to sluice_app;
grant select on table sluice.principals to sluice_signer;
grant select on table sluice.principals to sluice_worker;
grant insert, select on table sluice.probe_samples to sluice_app;
grant delete, select on table sluice.probe_samples to sluice_worker;
grant insert, select on table sluice.promotion_steps to sluice_app;
grant insert, select, update (attempts, begun_round, ended_at, failed_undos, log_bytes, output_references, output_values, outputs, reason_code, reason_message, started_at, state) on table sluice.promotion_steps to sluice_worker;
grant insert, select, update (cancel_requested_at) on table sluice.promotions to sluice_app;
grant select on table sluice.promotions to sluice_signer;
grant select (ended_at, environment_id, kind, promotion_id, release_digest, requested_at, state, superseded_by, tenant_id, traceparent) on table sluice.promotions to sluice_watchdog;
grant insert, select, update (bundle_digest, ended_at, packet_digest, reason_code, reason_message, release_digest, rules, started_at, state, superseded_by, target_labels) on table sluice.promotions to sluice_worker;
grant select on table sluice.reconciliations to sluice_app;
grant insert, select, update (looked_at) on table sluice.reconciliations to sluice_worker;
grant insert, select on table sluice.release_requests to sluice_app;
grant select, update (refusal_code, refusal_message, release_digest, settled_at, state) on table sluice.release_requests to sluice_worker;
grant select on table sluice.release_watches to sluice_app;
grant select on table sluice.release_watches to sluice_signer;
grant insert, select, update (blind_code, blind_message, blind_seconds, ended_at, looked_at, progress, reason_code, reason_message, rollback_id, rounds, state) on table sluice.release_watches to sluice_worker;
grant insert, select on table sluice.releases to sluice_app;
grant select on table sluice.releases to sluice_signer;
grant insert, select on table sluice.releases to sluice_worker;
grant select on table sluice.resolved_pipelines to sluice_app;
grant insert, select on table sluice.resolved_pipelines to sluice_worker;
grant insert, select, update (decided_at, refusal_code, refusal_message, state) on table sluice.rollout_steers to sluice_app;
grant select, update (decided_at, refusal_code, refusal_message, round, stage, state) on table sluice.rollout_steers to sluice_worker;
grant select on table sluice.rollouts to sluice_app;
grant select on table sluice.rollouts to sluice_signer;
grant insert, select, update (changed_at, ended_at, phase, reason_code, reason_message, route_before, stage, state) on table sluice.rollouts to sluice_worker;
grant select on table sluice.route_changes to sluice_app;
grant select on table sluice.route_changes to sluice_signer;
grant insert, select, update (failure_code, failure_message, settled_at, state) on table sluice.route_changes to sluice_worker;
grant select on table sluice.routes to sluice_app;
grant select on table sluice.routes to sluice_signer;
grant insert, select, update (command_digest, promotion_id, route_table, since, table_digest) on table sluice.routes to sluice_worker;
grant insert, select, update (kind, location, removed_at) on table sluice.sources to sluice_app;
grant select on table sluice.sources to sluice_worker;
grant select on table sluice.statements to sluice_app;
grant select on table sluice.statements to sluice_signer;
grant insert, select on table sluice.statements to sluice_worker;
grant select on table sluice.step_log_chunks to sluice_app;
grant delete, insert, select on table sluice.step_log_chunks to sluice_worker;
grant select on table sluice.step_logs to sluice_app;
grant insert, select, update (bytes, ended_at, log_digest, truncated_bytes) on table sluice.step_logs to sluice_worker;
grant select on table sluice.step_members to sluice_app;
grant insert, select, update (attempts, ended_at, failed_undos, output_references, output_values, reason_code, reason_message, started_at, state) on table sluice.step_members to sluice_worker;
grant insert, select, update (address, environment_id, health, kind, labels, removed_at, settings, version) on table sluice.targets to sluice_app;
grant select on table sluice.targets to sluice_signer;
grant select, update (last_command_sequence) on table sluice.targets to sluice_worker;
grant insert, select, update (history_rules) on table sluice.tenants to sluice_app;
grant select on table sluice.tenants to sluice_linker;
grant select (tenant_id) on table sluice.tenants to sluice_watchdog;
grant select on table sluice.tenants to sluice_worker;
grant select on table sluice.workflow_bundles to sluice_app;
grant insert, select on table sluice.workflow_bundles to sluice_worker;
grant insert, select, update (archived_at, look_at, lost_at) on table sluice.workflow_executions to sluice_app;
grant select on table sluice.workflow_executions to sluice_signer;
grant select (archived_at, look_at, lost_at, promotion_id, requested_at, tenant_id, workflow_id, workflow_type) on table sluice.workflow_executions to sluice_watchdog;
grant insert, select, update (archived_at, look_at, lost_at) on table sluice.workflow_executions to sluice_worker;
grant select on table sluice.workflow_histories to sluice_app;
grant select on table sluice.workflow_histories to sluice_signer;
grant insert, select, update (expired_at) on table sluice.workflow_histories to sluice_worker;
grant select on table sluice.workflow_problems to sluice_app;
grant delete, insert, select, update (activity, attempt, build_id, cause, code, event_number, first_seen_at, last_seen_at, message) on table sluice.workflow_problems to sluice_worker;
