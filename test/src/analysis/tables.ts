import { DETECTION_TABLES } from './detection-tables.ts';
import { FALSE_ALARM_TABLES } from './false-alarm-tables.ts';
import type { CurveTable } from './table.ts';

/** Every curve that docs/analysis.md has. */
export const CURVE_TABLES: readonly CurveTable[] = [...FALSE_ALARM_TABLES, ...DETECTION_TABLES];
