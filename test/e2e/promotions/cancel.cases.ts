import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { EvidencePacket } from '@sluice/domain';
import type { ImageContent } from '@sluice/infra';
import type { PromotionAnswer } from '../../support/documents.ts';
import type { TestStack } from '../../support/e2e-stack.ts';
import { readJournal } from '../../support/journal.ts';
import { isAlive } from '../../support/process-alive.ts';
import { findContradictions } from '../../support/promotion-checks.ts';
import { findService, serviceImage } from '../../support/service-images.ts';
import type { MadeRelease } from '../../support/stack-client.ts';
import { waitFor } from '../../support/wait-for.ts';

const ENVIRONMENTS = ['dev', 'stage', 'third', 'fourth', 'fifth'];
const hostOf = (environment: string): string => `${environment}-host-1`;

/** As long as it is there, a service is not well enough for the verify step. */
export const holdFileOf = (environment: string): string =>
  join(tmpdir(), `sluice-e2e-hold-${environment}-${process.pid}`);

export const CANCELLED_IMAGES: readonly ImageContent[] = ['4.0.0', '4.0.1'].map((tag) =>
  serviceImage(tag),
);

/** A promotion is cancelled in each state, each in an environment of its own. */
export function describeCancels(getStack: () => TestStack): void {
  describe('a promotion', () => {
    let made: TestStack;
    let next: MadeRelease;
    let duringScan = '';

    beforeAll(async () => {
      made = getStack();
      const { client } = made;
      const old = await client.release('1.0.0');
      next = await client.release('4.0.0');
      await Promise.all(
        ENVIRONMENTS.map((environment) => client.promote(old.id, environment, 120)),
      );
    }, 180_000);

    afterAll(async () => {
      await Promise.all(ENVIRONMENTS.map((name) => rm(holdFileOf(name), { force: true })));
    });

    /** Cancelled, sealed as cancelled, and the target is as it was. */
    async function expectCancelled(id: string, version = '1.0.0'): Promise<PromotionAnswer> {
      const { client, stack } = made;
      const promotion = await client.untilSealed(id);
      expect(promotion).toMatchObject({
        state: 'CANCELLED',
        reason: { code: 'promotion-cancelled', message: expect.stringContaining('enough of it') },
      });
      const packet = JSON.parse(promotion.packet?.document ?? '') as EvidencePacket;
      const statement = JSON.parse(Buffer.from(packet.root.payload, 'base64').toString('utf8'));
      expect(statement.predicate).toMatchObject({ state: 'cancelled' });
      expect(await findContradictions(stack, promotion)).toEqual([]);
      const asked = promotion.events.edges.filter(
        ({ node }) => node.type === 'promotion.cancel-requested',
      );
      expect(asked).toHaveLength(1);
      const host = hostOf(id.split('/')[0] ?? '');
      expect(await findService(stack.getServicePort(host))).toMatchObject({ version });
      expect((await client.target(host)).currentRelease).toMatchObject({ version });
      return promotion;
    }

    function statesOf({ steps }: PromotionAnswer): Record<string, string> {
      return Object.fromEntries(steps.map(({ id, state }) => [id, state]));
    }

    test('cancel while requested: nobody works yet', async () => {
      const { client, stack } = made;
      await stack.stopPart('worker');
      const id = await client.request(next.id, 'dev');
      expect(await client.cancel(id, 'enough of it')).toMatchObject({ __typename: 'Promotion' });
      await stack.start('worker');
      const promotion = await expectCancelled(id);
      expect(promotion.deployments).toEqual([]);
    });

    test('cancel while queued behind another promotion, which goes on', async () => {
      const { client } = made;
      const hold = holdFileOf('stage');
      await writeFile(hold, '');
      const holder = await client.request(next.id, 'stage');
      await client.untilStep(holder, 'verify');
      const id = await client.request((await client.release('4.0.1')).id, 'stage');
      await client.untilPromotion(id, 'is queued', ({ state }) => state === 'QUEUED');
      await client.cancel(id, 'enough of it');
      const promotion = await client.untilSealed(id);
      await rm(hold);
      expect(promotion).toMatchObject({ state: 'CANCELLED', packet: expect.anything() });
      expect(await client.untilSealed(holder)).toMatchObject({ state: 'SUCCEEDED' });
      // It was planned while it waited, and never dispatched.
      expect(promotion.deployments.map(({ state }) => state)).toEqual(['PLANNED']);
      const service = await findService(made.stack.getServicePort(hostOf('stage')));
      expect(service).toMatchObject({ version: '4.0.0' });
    });

    test('cancel while the scanner runs, which is ended', async () => {
      const { client, scanner } = made;
      await scanner.setModeOf(next.image, 'hold');
      const id = await client.request(next.id, 'third');
      duringScan = id;
      const pids = await waitFor('the scanner holds', async () => {
        const listed = await scanner.listPids();
        return listed.length > 0 && listed;
      });
      await client.cancel(id, 'enough of it');
      const promotion = await expectCancelled(id);
      expect(statesOf(promotion)).toEqual({
        scan: 'CANCELLED',
        gate: 'SKIPPED',
        plan: 'SKIPPED',
        deploy: 'SKIPPED',
        verify: 'SKIPPED',
      });
      expect(pids.filter(isAlive)).toEqual([]);
      await scanner.setModeOf(next.image, 'clean');
    });

    test('cancel while the command waits for an agent that stands still', async () => {
      const { client, stack } = made;
      const agent = `agent-${hostOf('fourth')}`;
      await stack.pause(agent);
      const id = await client.request(next.id, 'fourth');
      await client.untilPromotion(id, 'has dispatched', ({ deployments }) =>
        deployments.some(({ state }) => state === 'DISPATCHED'),
      );
      await client.cancel(id, 'enough of it');
      // It is put back by its agent alone: until that one speaks the promotion has not ended.
      await client.untilStep(id, 'deploy', 'CANCELLED');
      expect((await client.promotion(id)).endedAt).toBeNull();
      await stack.resume(agent);
      const promotion = await expectCancelled(id);
      expect(promotion.deployments.map(({ state }) => state)).toEqual(['REVERTED']);
      const stages = (await readJournal(stack, hostOf('fourth'))).map(({ stage }) => stage);
      expect(stages.at(-1)).toBe('confirmed');
    });

    test('cancel while verifying: the target is put back', async () => {
      const { client, stack } = made;
      await writeFile(holdFileOf('fifth'), '');
      const id = await client.request(next.id, 'fifth');
      await client.untilStep(id, 'verify');
      const service = await findService(stack.getServicePort(hostOf('fifth')));
      expect(service).toMatchObject({ version: '4.0.0' });
      await client.cancel(id, 'enough of it');
      const promotion = await expectCancelled(id);
      expect(statesOf(promotion)).toMatchObject({ deploy: 'REVERTED', verify: 'CANCELLED' });
      expect(existsSync(holdFileOf('fifth'))).toBe(true);
    });

    test('cancel of what has ended is refused, and says so', async () => {
      const { client } = made;
      const answer = await client.cancel(duringScan);
      expect(answer).toMatchObject({ __typename: 'StateConflict', code: 'promotion-ended' });
      expect(await client.cancel('third/99')).toMatchObject({ code: 'promotion-unknown' });
    });
  });
}
