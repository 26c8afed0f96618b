/**
 * So many agents in one process, each with a key of its own, enrolled with a one-time token and asking for its commands with long polls as
 * the real one does: every request is signed, every command's signature and admission are checked, every report is signed. Only what an agent does to
 * its host is left out: there is no journal, and nothing is fetched, started or probed. Prints a line when all are enrolled.
 *
 * BENCH_API, BENCH_TENANT, BENCH_ENROLMENT_KEY (file), BENCH_TARGETS (file with one name per line)
 */
import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createAgentClient,
  createReportEnvelope,
  openCommand,
  openCommandPayload,
} from '@sluice/agent-protocol';
import { admitCommand, REPORT_SCHEMA } from '@sluice/domain';
import { mintEnrolmentToken } from '@sluice/pure';
import { generateKeyPair } from '@sluice/signing';

const VERSION = '0.1.0';
const WAIT_SECONDS = 25;
const ENROLLED_AT_A_TIME = 20;
/** What a deployment that goes well reports, in order. */
const STAGES = ['accepted', 'fetched', 'activated', 'confirmed'];

const { BENCH_API, BENCH_TENANT, BENCH_ENROLMENT_KEY, BENCH_TARGETS } = process.env;
const enrolmentKey = new Uint8Array(
  Buffer.from(readFileSync(BENCH_ENROLMENT_KEY, 'utf8').trim(), 'base64'),
);
const targets = readFileSync(BENCH_TARGETS, 'utf8').trim().split('\n');
const ended = new AbortController();
// Each agent listens, more than once.
setMaxListeners(0, ended.signal);
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => ended.abort());

const agents = await enrolAll();
console.log(JSON.stringify({ ready: true, agents: agents.length }));
await Promise.all(agents.flatMap((agent, place) => [obey(agent), beat(agent, place)]));
process.exit(0);

async function enrolAll() {
  const made = [];
  const queue = [...targets];
  const enrolNext = async () => {
    for (let target = queue.pop(); target !== undefined; target = queue.pop()) {
      made.push(await enrol(target));
    }
  };
  await Promise.all(Array.from({ length: ENROLLED_AT_A_TIME }, enrolNext));
  return made;
}

async function enrol(target) {
  const keyPair = generateKeyPair();
  const client = createAgentClient({ baseUrl: BENCH_API, keyPair, timeoutMs: 60_000 });
  const claim = {
    tenantId: BENCH_TENANT,
    target,
    id: randomBytes(16).toString('base64url'),
    expiresAt: new Date(Date.now() + 600_000).toISOString(),
  };
  const enrolment = await client.enrol(mintEnrolmentToken(claim, enrolmentKey), VERSION);
  const { tenantId, agentKeyId } = enrolment;
  const memory = { tenantId, target, agentKeyId, lastSequence: 0, highestFencingToken: 0 };
  return { target, keyPair, client, enrolment, memory, activeRelease: null };
}

/** Takes command after command until the process ends. */
async function obey(agent) {
  while (!ended.signal.aborted) {
    try {
      const { client, memory } = agent;
      const deliveries = await client.pollCommands(memory.lastSequence, WAIT_SECONDS, ended.signal);
      for (const delivery of deliveries) await carryOut(agent, delivery);
    } catch (error) {
      if (ended.signal.aborted) return;
      console.error(`${agent.target}: ${error.message}`);
      await sleep(1000);
    }
  }
}

async function carryOut(agent, delivery) {
  const { enrolment, memory } = agent;
  const opened = openCommand(delivery.envelope, enrolment.trustRoot);
  if (!opened.ok) throw new Error(opened.refusal.message);
  const { command, commandDigest } = opened.value;
  const admitted = admitCommand(command, memory, Date.now());
  if (!admitted.ok) throw new Error(admitted.refusal.message);
  const payload = openCommandPayload(delivery.payload, command);
  if (!payload.ok) throw new Error(payload.refusal.message);
  agent.memory = {
    ...memory,
    lastSequence: command.sequence,
    highestFencingToken: command.fencingToken,
  };
  for (const stage of STAGES) {
    if (stage === 'activated') agent.activeRelease = payload.value.desired?.release.digest ?? null;
    await report(agent, { command, commandDigest, stage });
  }
}

async function report({ client, keyPair, activeRelease }, { command, commandDigest, stage }) {
  const { tenantId, target, agentKeyId, sequence } = command;
  const said = {
    ...{ schema: REPORT_SCHEMA, tenantId, target, agentKeyId, commandDigest, sequence, stage },
    ...{ at: new Date().toISOString(), failure: null, activeRelease },
  };
  await client.sendReport(createReportEnvelope(said, keyPair), ended.signal);
}

/** Spread over the time between two of them, so that they do not come at once. */
async function beat(agent, place) {
  const everyMs = agent.enrolment.heartbeatSeconds * 1000;
  try {
    await sleep((everyMs * place) / targets.length, undefined, { signal: ended.signal });
    while (!ended.signal.aborted) {
      const { client, activeRelease, memory } = agent;
      const state = { version: VERSION, activeRelease, lastSequence: memory.lastSequence };
      await client.heartbeat(state, ended.signal).catch(() => undefined);
      await sleep(everyMs, undefined, { signal: ended.signal });
    }
  } catch {
    // It ends.
  }
}
