import { afterEach, beforeAll, describe, test } from '@jest/globals';
import { getTool } from '@sluice/infra';
import { ROUTER_CHECKS } from '../testing/conformance-checks.ts';
import { HaproxyBench } from '../testing/haproxy-bench.ts';
import { ConformanceRoom } from '../testing/router-conformance.ts';

describe('the router of haproxy', () => {
  let binary: string;
  let room: ConformanceRoom | undefined;

  beforeAll(async () => {
    binary = (await getTool('haproxy')).path;
  }, 30 * 60_000);

  afterEach(async () => {
    await room?.close();
    room = undefined;
  });

  test.each(ROUTER_CHECKS)('$name', async ({ run }) => {
    room = await ConformanceRoom.open(async (servers) => {
      const [base] = servers.of('base');
      if (base === undefined) throw new Error('There is no base server.');
      return HaproxyBench.make(binary, base);
    });
    await run(room);
  });
});
