import { generateKeyPairSync } from 'node:crypto';
import { startTestStack, type TestStack } from '../e2e-stack.ts';
import { serviceImage } from '../service-images.ts';
import { StackClient } from '../stack-client.ts';

/** In the order in which a release goes through them; people are asked before the last one. */
export const CHAOS_ENVIRONMENTS = ['chaos-dev', 'chaos-staging', 'chaos-production'] as const;

const GOOD = ['1.0.0', '2.0.0', '3.0.0', '4.0.0', '5.0.0'];
const LEAKING = '6.6.6';
const UNVERIFIABLE = '7.7.7';

/** While one of its processes is away a client asks on for so long. Seconds. */
const PATIENCE_SECONDS = 180;

/** A stack of three environments with two targets each, and everybody who takes part. */
export interface ChaosStage {
  readonly made: TestStack;
  readonly manager: StackClient;
  readonly approver: StackClient;
  readonly admin: StackClient;
  readonly releases: {
    readonly good: readonly string[];
    readonly leaking: string;
    readonly unverifiable: string;
  };
}

/** Starts the stack and makes its releases. */
export async function openChaosStage(): Promise<ChaosStage> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = privateKey.export({ type: 'pkcs1', format: 'pem' });
  const leaking = serviceImage(LEAKING);
  const made = await startTestStack({
    images: [
      ...GOOD.map((tag) => serviceImage(tag)),
      { ...leaking, layers: [...leaking.layers, [{ path: 'id_rsa', content: Buffer.from(pem) }]] },
      serviceImage(UNVERIFIABLE, 'unverifiable'),
    ],
    scannerMode: 'clean',
    environments: CHAOS_ENVIRONMENTS.map((name, position) => ({
      name,
      position,
      deadlines: { verifySeconds: 12 },
      ...(position === 2
        ? { pipeline: 'approved' as const, approval: { roles: ['approver'] as const } }
        : {}),
    })),
    targets: CHAOS_ENVIRONMENTS.flatMap((environment) =>
      ['a', 'b'].map((letter) => ({ name: `${environment}-${letter}`, environment })),
    ),
    principals: [
      { name: 'release-manager', role: 'release-manager' },
      { name: 'approver', role: 'approver' },
      { name: 'admin', role: 'admin' },
    ],
    env: { worker: { SLUICE_WATCHDOG_SECONDS: '2', SLUICE_RECONCILE_SECONDS: '5' } },
  });
  try {
    const { stack, scanner } = made;
    const as = (principal: string): StackClient =>
      new StackClient(stack, principal, { patienceSeconds: PATIENCE_SECONDS, glanceMs: 500 });
    const manager = as('release-manager');
    const leak = await manager.release(LEAKING);
    await scanner.setModeOf(leak.image, 'real');
    const good: string[] = [];
    for (const version of GOOD) good.push((await manager.release(version)).id);
    const unverifiable = (await manager.release(UNVERIFIABLE)).id;
    const releases = { good, leaking: leak.id, unverifiable };
    return { made, manager, approver: as('approver'), admin: as('admin'), releases };
  } catch (error) {
    await made.remove();
    throw error;
  }
}
