import { createHmac } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { canonicalJson } from '@sluice/pure';
import type { ActivityDependencies } from '../dependencies.ts';
import type { TextOrSecret } from '../http/http-inputs.ts';
import { readBeginning } from '../outbound/answer-body.ts';
import { attemptMilliseconds } from '../outbound/attempt-time.ts';
import { requireOutbound } from '../outbound/outbound-clients.ts';
import { readSecretUrl } from '../outbound/secret-url.ts';
import { readSecret } from '../secrets/read-secret.ts';
import type { StepRun } from '../step/step-type.ts';
import type { NotifyChannel } from './notify-channels.ts';

/** What a channel is told. */
export interface Notification {
  readonly text: string;
  readonly promotion: string;
  readonly environment: string;
  /** Digest of the promotion's release. */
  readonly release: string;
  readonly step: string;
  /** The same whenever this message is sent again. */
  readonly idempotencyKey: string;
}

/** What delivering needs. */
export type DeliverParts = Pick<ActivityDependencies, 'outbound' | 'secrets'>;

/** How a channel took a message; `refused` says why it did not. */
export type Delivery = { readonly told: string } | { readonly refused: string };

const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 64 * 1024;
const SHOWN_BYTES = 1024;

/** The most that a file of notifications may have; then somebody has to take it away. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;

/**
 * Tells a channel.
 * @throws SecretError, OutboundError
 */
export async function deliver(
  parts: DeliverParts,
  run: StepRun,
  channel: NotifyChannel,
  notification: Notification,
): Promise<Delivery> {
  switch (channel.kind) {
    case 'webhook':
      return deliverWebhook(parts, run, channel, notification);
    case 'slack':
      return post(parts, run, channel.url, { text: escapeSlack(notification.text) }, notification);
    case 'file':
      return appendLine(channel.path, { at: run.input.scheduledAt, ...notification });
  }
}

async function deliverWebhook(
  parts: DeliverParts,
  run: StepRun,
  { url, bearer, hmac }: Extract<NotifyChannel, { kind: 'webhook' }>,
  notification: Notification,
): Promise<Delivery> {
  const headers: Record<string, string> = {};
  const secrets: string[] = [];
  if (bearer !== undefined) {
    const token = await readSecret(run, parts.secrets, bearer);
    secrets.push(token);
    headers['authorization'] = `Bearer ${token}`;
  }
  if (hmac !== undefined) {
    const key = await readSecret(run, parts.secrets, hmac);
    secrets.push(key);
    const mac = createHmac('sha256', key).update(canonicalJson(notification)).digest('hex');
    headers['x-sluice-signature-256'] = `sha256=${mac}`;
  }
  return post(parts, run, url, notification, notification, headers, secrets);
}

async function post(
  parts: DeliverParts,
  run: StepRun,
  target: TextOrSecret,
  body: unknown,
  { idempotencyKey }: Notification,
  headers: Readonly<Record<string, string>> = {},
  known: readonly string[] = [],
): Promise<Delivery> {
  const { url, secrets: hidden } =
    typeof target === 'string'
      ? { url: target, secrets: [] }
      : await readSecretUrl(run, parts.secrets, target.secret);
  const secrets = [...known, ...hidden];
  return requireOutbound(parts.outbound).configured.exchange(
    {
      method: 'POST',
      url,
      headers: {
        'content-type': 'application/json',
        'user-agent': 'sluice-notify',
        'idempotency-key': idempotencyKey,
        ...headers,
      },
      body: Buffer.from(canonicalJson(body), 'utf8'),
      maxBytes: MAX_ANSWER_BYTES,
      timeoutMs: attemptMilliseconds(run.scope, DEFAULT_TIMEOUT_MS),
      cancellation: run.scope.cancellation,
    },
    async ({ status, body: answer }) => {
      if (status >= 200 && status < 300) return { told: `HTTP ${status}` };
      const beginning = await readBeginning(answer, SHOWN_BYTES, secrets);
      if (beginning !== '') run.output.write(`${beginning}\n`);
      return { refused: `it answered with ${status}` };
    },
  );
}

/** Slack's three characters: without this a message could address people (`<!channel>`) or hide a link. */
function escapeSlack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

async function appendLine(path: string, line: object): Promise<Delivery> {
  const { O_APPEND, O_CREAT, O_WRONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    const file = await open(path, O_APPEND | O_CREAT | O_WRONLY | O_NOFOLLOW | O_NONBLOCK, 0o600);
    try {
      const found = await file.stat();
      if (!found.isFile()) return { refused: 'its path is no regular file' };
      if (found.size > MAX_FILE_BYTES) {
        return { refused: `its file has more than ${MAX_FILE_BYTES} bytes: move it away` };
      }
      // One write: lines of several workers do not mix.
      await file.write(`${canonicalJson(line)}\n`);
      await file.sync();
      return { told: 'a line was written' };
    } finally {
      await file.close();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return { refused: `its file could not be written (${code})` };
  }
}
