/* One bundle for both builds: a test writes `second` here, in the bundle. */
import { promoteRelease as first } from './stuck-first.ts';
import { promoteRelease as second } from './stuck-second.ts';

const BUILD: string = 'first';

/** As the build has it. */
export const promoteRelease = BUILD === 'first' ? first : second;
