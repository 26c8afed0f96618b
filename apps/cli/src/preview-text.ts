import { durationText, type ExplainOptions, explainPipeline } from '@sluice/pipeline';
import type { PreviewStepView, PreviewView } from './pipeline-operations.ts';
import { wrapped } from './text-layout.ts';

/** Members and targets that are named; the rest is counted. */
const MAX_NAMED = 12;

/** What a promotion would do, for reading: the drawing, then each step, then each target. */
export function describePreview(preview: PreviewView, look: ExplainOptions): string {
  const { environment, release, pipeline, deadlineSeconds, blockers } = preview;
  const what = release === null ? 'a release that it makes' : `${release.name}@${release.version}`;
  const width = look.width ?? 80;
  const parts = [
    wrapped(
      `Dry run: ${what} to ${environment.name}. Nothing was changed, and nobody asked.`,
      2,
      width,
    ),
    '\n',
    explainPipeline(pipeline.document, look),
    '\nWhat each step would do\n',
    ...preview.steps.map((step) => stepLines(step, width)),
    '\n',
    targetLines(preview, width),
    '\n',
    wrapped(
      `It has ${durationText(deadlineSeconds)} for all of it, its place in the queue included.`,
      2,
      width,
    ),
  ];
  if (blockers.length > 0) parts.push('\nIt would be refused now:\n');
  parts.push(...blockers.map(({ code, message }) => wrapped(`  ${code}: ${message}`, 4, width)));
  return parts.join('');
}

function stepLines(step: PreviewStepView, width: number): string {
  const lead = step.layer === 0 ? 'end' : String(step.layer).padStart(3);
  const lines = [wrapped(`${lead}  ${step.id} (${step.type}): ${step.title}`, 7, width)];
  const say = (text: string): void => void lines.push(wrapped(`       ${text}`, 9, width));
  if (step.condition !== null) say(`runs ${step.condition}`);
  if (step.if !== null)
    say(`${step.skipped ? 'would be skipped, for this is false' : 'only if'}: ${step.if}`);
  if (step.asks !== null) say(`asks ${step.asks}`);
  const members = membersText(step);
  if (members !== null) say(members);
  say(timeText(step));
  if (step.concurrencyGroup !== null) say(`waits for its turn in ${step.concurrencyGroup}`);
  if (step.undoes !== null) say(`when the promotion fails: ${lowerFirst(step.undoes)}`);
  return lines.join('');
}

function membersText({ members, memberCount, membersFrom, maxParallel }: PreviewStepView) {
  if (membersFrom !== null) return `once for each of ${membersFrom}, which is known only then`;
  if (members === null || memberCount === null) return null;
  if (memberCount === 0) return 'for nobody: nothing fits, so it would be skipped';
  const parallel = memberCount > (maxParallel ?? memberCount) ? `, ${maxParallel} at a time` : '';
  return `once for each of ${memberCount}${parallel}: ${named(members, memberCount)}`;
}

function timeText({ timeoutSeconds, attempts, longestSeconds }: PreviewStepView): string {
  const tries = attempts > 1 ? `, ${attempts} attempts` : '';
  const whole =
    longestSeconds === null || longestSeconds === timeoutSeconds
      ? ''
      : `; ${durationText(longestSeconds)} at the longest`;
  return `within ${durationText(timeoutSeconds)}${tries}${whole}`;
}

function targetLines({ targets }: PreviewView, width: number): string {
  if (targets.length === 0) return 'No target would be changed.\n';
  const count = `${targets.length} ${targets.length === 1 ? 'target' : 'targets'}`;
  const shown = targets.slice(0, MAX_NAMED * 4).map(({ target, steps }) => {
    const now = target.currentRelease;
    const from = now === null ? 'nothing that is verified' : `${now.name}@${now.version}`;
    return wrapped(
      `  ${target.name} (${target.address}), runs ${from}: by ${steps.join(', ')}`,
      4,
      width,
    );
  });
  const hidden = targets.length - shown.length;
  const more = hidden > 0 ? `  … and ${hidden} more (--json has them all)\n` : '';
  return `${count} would be changed\n${shown.join('')}${more}`;
}

function named(names: readonly string[], count: number): string {
  const shown = names.slice(0, MAX_NAMED);
  const hidden = count - shown.length;
  return shown.join(', ') + (hidden > 0 ? ` and ${hidden} more` : '');
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1).replace(/\.$/, '');
}
