import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { linkEvents, withTenant, insertEvent, setPromotionState } from '@sluice/persistence';
import { addRelease } from '../../api/src/testing/scene.ts';
import { addWaitingApproval } from '../../api/src/testing/approval-scene.ts';
import { startTestApi, tokenOf, type TestApi } from '../../api/src/testing/test-api.ts';
import { fakeIo } from './fake-io.ts';
import { runCli } from './run-cli.ts';

let api: TestApi;
beforeAll(async () => { api = await startTestApi(); });
afterAll(() => api.stop());
const io = (who: string, answer?: string) => ({ ...fakeIo({}, { SLUICE_API_URL: api.url, SLUICE_TOKEN: tokenOf(who) }, answer === undefined ? undefined : { terminal: { columns: 100, rows: 40 }, answer }), fetch: globalThis.fetch, sleep: (ms: number) => new Promise<void>((r) => setTimeout(r, Math.min(ms, 200))), now: Date.now });
test('real', async () => {
  const release = await addRelease(api, '1.0.0');
  const { promotion } = await addWaitingApproval(api, release);
  const show = async (who: string, args: string[], answer?: string) => {
    const i = io(who, answer);
    const rc = await runCli(args, i);
    console.log(`$ ${who}: sluice ${args.join(' ')}  -> ${rc}\n${i.outText()}\n--err: ${i.errText()}`);
    return rc;
  };
  await show('approver', ['approvals']);
  await show('viewer', ['approvals', '--all']);
  await show('release-manager', ['approve', promotion], 'y');
  await show('approver', ['approve', promotion, '--comment', 'ok'], 'y');
  await show('approver', ['approve', promotion], 'y');
  await show('second-approver', ['approve', promotion], 'y');
  await show('approver', ['promotion', 'show', promotion, '--difference']);
  await show('approver', ['queue']);
  await show('admin', ['rollback', 'prod', '--last-verified', '--reason', 'x', '--yes']);
  await show('admin', ['rollback', 'prod', '--nothing', '--reason', 'x', '--yes']);
  const id = promotion;
  const watching = show('viewer', ['promotion', 'watch', id]);
  await withTenant(api.linkerPool, 'acme', (tx) => linkEvents(tx));
  await new Promise((r) => setTimeout(r, 500));
  await withTenant(api.workerPool, 'acme', async (tx) => {
    await setPromotionState(tx, { promotionId: id, state: 'denied', reason: { code: 'x', message: 'y' } });
    await insertEvent(tx, { type: 'promotion.sealed', actor: 'system:w', subject: `promotion:${id}`, promotionId: id, data: { state: 'denied' }, traceId: null });
  });
  await withTenant(api.linkerPool, 'acme', (tx) => linkEvents(tx));
  await api.database.query('update sluice.promotions set packet_digest = $1, ended_at = now() where promotion_id = $2', [`sha256:${'a'.repeat(64)}`, id]);
  await watching;
  expect(1).toBe(1);
});
