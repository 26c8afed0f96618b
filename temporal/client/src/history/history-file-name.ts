/**
 * Name of the file of one run: `<promotion with dashes>.<run id>.history` as it lies in the archive, `.json` redacted. What is no
 * promotion's is named by its whole id without the tenant.
 */
export function historyFileName(
  { workflowId, runId }: { readonly workflowId: string; readonly runId: string },
  form: 'encrypted' | 'redacted',
): string {
  const words = workflowId.split('/').filter((_word, index) => index !== 1);
  const name = (words[0] === 'promotion' ? words.slice(1) : words).join('-');
  const safe = `${name}.${runId}`.replace(/[^A-Za-z0-9._-]/g, '-');
  return `${safe}.${form === 'encrypted' ? 'history' : 'json'}`;
}
