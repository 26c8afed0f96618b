import { cp, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { planFaults } from '../support/chaos/chaos-plan.ts';
import { type ChaosStage, openChaosStage } from '../support/chaos/chaos-stack.ts';
import { injectFaults } from '../support/chaos/inject-faults.ts';
import { judgePromotions, judgeWhole, type Violation } from '../support/chaos/judge-chaos.ts';
import { type ChaosWork, playClient } from '../support/chaos/play-promotion.ts';
import { mulberry32 } from '../support/event-kills/kill-cases.ts';

/**
 * Promotions of mixed outcomes over three environments by ten clients at once, while the control plane, its engines and the
 * agents are killed with -9, paused and restarted at random. Here a short form; `npm run test:faults -- --promotions N --kills K`
 * runs it as long as wanted. Judged by journals, records, histories, events, packets and what answers on the targets.
 */
const PROMOTIONS = Number(process.env['SLUICE_CHAOS_PROMOTIONS'] ?? 16);
const KILLS = Number(process.env['SLUICE_CHAOS_KILLS'] ?? 6);
const SEED = Number(process.env['SLUICE_FAULT_SEED'] ?? 4711);
const CLIENTS = Math.min(10, PROMOTIONS);
/** Where the report is written. */
const REPORT = process.env['SLUICE_FAULTS_REPORT'];
/** Where the processes' logs are kept when something is wrong. */
const LOGS = process.env['SLUICE_FAULTS_LOGS'];

let stage: ChaosStage;

beforeAll(async () => {
  stage = await openChaosStage();
}, 300_000);

afterAll(async () => {
  await stage?.made.remove();
}, 120_000);

test(
  `${PROMOTIONS} promotions by ${CLIENTS} clients with ${KILLS} kills (seed ${SEED}): all witnesses agree`,
  async () => {
    const startedAt = Date.now();
    const { stack } = stage.made;
    const say = (line: string): void => {
      const seconds = ((Date.now() - startedAt) / 1000).toFixed(0);
      process.stderr.write(`chaos ${seconds} s, ${work.ended}/${PROMOTIONS} ended: ${line}\n`);
    };
    const work: ChaosWork = { stage, promotions: PROMOTIONS, played: [], asked: 0, ended: 0 };
    say(`seed ${SEED}`);
    const injecting = injectFaults(stack, planFaults(SEED, KILLS, stack.names), {
      progress: () => work.ended / PROMOTIONS,
      say,
    });
    const clients = await Promise.allSettled(
      Array.from({ length: CLIENTS }, (_, number) =>
        playClient(work, number, mulberry32(SEED * 100 + number)),
      ),
    );
    const faults = await injecting;
    say('judging');
    const { states, violations: ofPromotions } = await judgePromotions(stage, work.played);
    const violations: Violation[] = [
      ...clients.flatMap((client) =>
        client.status === 'rejected' ? [{ problems: [`a client: ${String(client.reason)}`] }] : [],
      ),
      ...ofPromotions,
      ...(await judgeWhole(stage)),
    ];
    for (const [end, count] of Object.entries(states)) say(`${count} ${end}`);
    const seconds = Math.round((Date.now() - startedAt) / 1000);
    const report = { seed: SEED, promotions: work.played.length, faults, violations, seconds };
    if (REPORT !== undefined) await writeFile(REPORT, `${JSON.stringify(report)}\n`);
    if (LOGS !== undefined && violations.length > 0) {
      await cp(stack.layout.logsDir, LOGS, { recursive: true });
    }
    expect(violations).toEqual([]);
    expect(work.played).toHaveLength(PROMOTIONS);
    expect(Object.entries(faults).reduce((sum, [, count]) => sum + count, 0)).toBeGreaterThan(
      KILLS,
    );
    // Whatever was killed, most of what people wanted came to be.
    const succeeded = states['succeeded: SUCCEEDED'] ?? 0;
    const wanted = work.played.filter(({ story }) => story === 'succeeded').length;
    expect(succeeded).toBeGreaterThan(wanted / 2);
  },
  Math.max(20, PROMOTIONS / 4) * 60_000,
);
