-- Outputs of steps that are too large for a row: they lie in the evidence store, and the records name them by digest. And how much of a
-- promotion's logs is kept, by step, so that a log that asks for room does not add up all others.
set local role sluice_owner;

alter table sluice.promotion_steps
  -- Name → {digest, bytes}; a name stands here or in output_values, never in both.
  add column output_references jsonb not null default '{}' check (jsonb_typeof(output_references) = 'object'),
  -- Of its logs that have ended.
  add column log_bytes bigint not null default 0 check (log_bytes >= 0);
grant update (output_references, log_bytes) on sluice.promotion_steps to sluice_worker;

alter table sluice.step_members
  -- Name → {digest, bytes}; a name stands here or in output_values, never in both.
  add column output_references jsonb not null default '{}' check (jsonb_typeof(output_references) = 'object');
grant update (output_references) on sluice.step_members to sluice_worker;
