import type { ReplayReport, ReplayResult } from './replay-result.ts';
import { describeInput, describeMismatch } from './run-text.ts';

/** What XML 1.0 cannot hold at all, not even escaped. */
const IMPOSSIBLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters in question
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
  '\n': '&#10;',
  '\r': '&#13;',
  '\t': '&#9;',
};

/** Text that may stand in an attribute or an element of XML 1.0. */
export function escapeXml(text: string): string {
  return text
    .replace(IMPOSSIBLE, '\ufffd')
    .replace(/[&<>"'\n\r\t]/g, (character) => ESCAPES[character] ?? '');
}

/** The report as JUnit reads it: a test case for each history, named by workflow and run; ends in a line feed. */
export function formatJunit(report: ReplayReport): string {
  const failures = report.results.filter(isFailure).length;
  const counts = { tests: report.histories, failures, errors: report.failed };
  const time = report.seconds.toFixed(3);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${attributes({ name: 'sluice replay', ...counts, time })}>`,
    `  <testsuite${attributes({ name: `build ${report.bundle.buildId}`, ...counts, skipped: 0, time })}>`,
    '    <properties>',
    `      <property${attributes({ name: 'bundle', value: report.bundle.digest })}/>`,
    `      <property${attributes({ name: 'workers', value: report.workers })}/>`,
    '    </properties>',
    ...report.results.map(formatCase),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

function isFailure({ mismatch, inputs = [] }: ReplayResult): boolean {
  return mismatch !== undefined || inputs.length > 0;
}

function formatCase(result: ReplayResult): string {
  const { workflowType, workflowId, runId, file, seconds } = result;
  const open = `    <testcase${attributes({
    classname: workflowType ?? 'unreadable',
    name: workflowId === null ? file : `${workflowId} ${runId}`,
    file,
    time: seconds.toFixed(3),
  })}`;
  const inside = formatProblems(result);
  return inside === '' ? `${open}/>` : `${open}>\n${inside}    </testcase>`;
}

function formatProblems({ mismatch, inputs = [], problem }: ReplayResult): string {
  if (problem !== undefined) {
    return element('error', problem.code, problem.message, [problem.message]);
  }
  if (mismatch !== undefined) {
    const { event, expected, actual } = mismatch;
    const lines = describeMismatch(mismatch).map(([name, text]) => `${name.padEnd(10)}${text}`);
    const message = `event ${event}: recorded ${expected}, now ${actual}`;
    return element('failure', 'mismatch', message, lines);
  }
  if (inputs.length === 0) return '';
  const message = `${inputs.length} changed ${inputs.length === 1 ? 'input' : 'inputs'}`;
  return element('failure', 'inputs-changed', message, inputs.map(describeInput));
}

function element(name: string, type: string, message: string, lines: readonly string[]): string {
  const text = lines.map(escapeXml).join('\n');
  return `      <${name}${attributes({ type, message })}>${text}</${name}>\n`;
}

function attributes(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${escapeXml(String(value))}"`)
    .join('');
}
