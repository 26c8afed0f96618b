import { beforeAll, describe, expect, test } from '@jest/globals';
import type { ImageContent } from '@sluice/infra';
import type { PromotionAnswer } from '../../support/documents.ts';
import type { TestStack } from '../../support/e2e-stack.ts';
import { readJournal } from '../../support/journal.ts';
import { findContradictions, queryStack } from '../../support/promotion-checks.ts';
import { findService, type ServiceBehaviour, serviceImage } from '../../support/service-images.ts';

const FAULTY: Readonly<Record<string, ServiceBehaviour>> = {
  '2.0.0': 'unverifiable',
  '2.0.1': 'exits',
  '2.0.2': 'sick',
};
/** In this version the service of the second of a pair ends at once. */
export const EXITS_IN = '3.0.0';

export const REVERTED_IMAGES: readonly ImageContent[] = [
  serviceImage(EXITS_IN),
  ...Object.entries(FAULTY).map(([tag, behaviour]) => serviceImage(tag, behaviour)),
];

/** What is found to be bad goes back; `empty` never had anything, `pair` has two hosts. */
export function describeReverts(getStack: () => TestStack): void {
  describe('a version that is bad', () => {
    const filled = ['dev', 'stage', 'third', 'pair'];
    let made: TestStack;

    beforeAll(async () => {
      made = getStack();
      const { client } = made;
      const old = await client.release('1.0.0');
      await Promise.all(filled.map((environment) => client.promote(old.id, environment, 120)));
    }, 180_000);

    async function promoteFaulty(environment: string, version: string): Promise<PromotionAnswer> {
      const { client, stack } = made;
      const promotion = await client.promote((await client.release(version)).id, environment);
      expect(promotion.state).toBe('REVERTED');
      expect(promotion.packet).not.toBeNull();
      expect(await findContradictions(stack, promotion)).toEqual([]);
      return promotion;
    }

    async function listCommandKinds(promotion: string): Promise<readonly string[]> {
      const rows = await queryStack<{ kind: string }>(
        made.stack,
        'select kind from sluice.commands where promotion_id = $1 order by target_id, sequence',
        [promotion],
      );
      return rows.map(({ kind }) => kind);
    }

    async function versionOn(target: string): Promise<string | undefined> {
      return (await findService(made.stack.getServicePort(target)))?.version;
    }

    test('a version that the verify step finds unhealthy is taken back by a signed revert', async () => {
      const promotion = await promoteFaulty('dev', '2.0.0');
      expect(promotion.reason).toMatchObject({
        code: 'target-unhealthy',
        message: expect.stringMatching(/dev-host-1 .*HTTP 503.*Look at/s),
      });
      expect(promotion.steps.map(({ id, state }) => [id, state])).toEqual([
        ['scan', 'SUCCEEDED'],
        ['gate', 'SUCCEEDED'],
        ['plan', 'SUCCEEDED'],
        ['deploy', 'REVERTED'],
        ['verify', 'FAILED'],
      ]);
      expect(await listCommandKinds(promotion.id)).toEqual(['deploy', 'revert']);
      expect(await versionOn('dev-host-1')).toBe('1.0.0');
      const { currentRelease } = await made.client.target('dev-host-1');
      expect(currentRelease?.version).toBe('1.0.0');
    });

    test.each([
      ['ends at once', 'stage', '2.0.1', 'service-exited'],
      ['is never well', 'third', '2.0.2', 'service-unhealthy'],
    ])(
      'a version that %s is taken back by the agent itself',
      async (_, environment, version, code) => {
        const promotion = await promoteFaulty(environment, version);
        expect(promotion.reason?.code).toBe(code);
        expect(promotion.deployments).toMatchObject([{ state: 'REVERTED', failure: { code } }]);
        // Nobody had to tell the agent.
        expect(await listCommandKinds(promotion.id)).toEqual(['deploy']);
        const stages = (await readJournal(made.stack, `${environment}-host-1`)).map(
          ({ stage }) => stage,
        );
        expect(stages.slice(-2)).toEqual(['reverting', 'reverted']);
        expect(await versionOn(`${environment}-host-1`)).toBe('1.0.0');
      },
    );

    test('a first version that fails leaves the target empty, as it was', async () => {
      await promoteFaulty('empty', '2.0.0');
      expect(await versionOn('empty-host-1')).toBeUndefined();
      expect((await made.client.target('empty-host-1')).currentRelease).toBeNull();
    });

    test('when one of two targets fails both go back', async () => {
      const promotion = await promoteFaulty('pair', '3.0.0');
      expect(promotion.reason?.message).toContain('pair-host-2');
      expect(await listCommandKinds(promotion.id)).toEqual(['deploy', 'revert', 'deploy']);
      expect(await versionOn('pair-host-1')).toBe('1.0.0');
      expect(await versionOn('pair-host-2')).toBe('1.0.0');
    });
  });
}
