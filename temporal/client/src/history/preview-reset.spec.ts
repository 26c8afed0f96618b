import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import type { Payload } from '@temporalio/common';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { parseCodecKeys } from '../codec-keys.ts';
import { createPayloadCodec } from '../payload-codec.ts';
import { previewReset, type ResetPreview, type ResettableHistory } from './preview-reset.ts';

const FOLDER = new URL('../../../../test/replay/histories/', import.meta.url);

function recorded(name: string): { workflowId: string; history: ResettableHistory } {
  const { workflowId, history } = JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8'));
  return { workflowId, history: historyFromJSON(history) };
}

async function preview(name: string, event?: number): Promise<ResetPreview> {
  const { workflowId, history } = recorded(name);
  const answer = await previewReset(history, { workflowId, event });
  if (!answer.ok) throw new Error(answer.message);
  return answer.preview;
}

const codesOf = ({ warnings }: ResetPreview): readonly string[] => warnings.map(({ code }) => code);

describe('a reset', () => {
  test('goes to the end of the last workflow task at or before the event', async () => {
    const whole = await preview('promotion-succeeded-approved');
    expect(whole.event).toBe(whole.possibleEvents.at(-1));
    expect(whole.possibleEvents[0]).toBe(4);
    expect(await preview('promotion-succeeded-approved', 10)).toMatchObject({ event: 4 });
    expect(await preview('promotion-succeeded-approved', 11)).toMatchObject({ event: 11 });
    expect(await preview('promotion-succeeded-approved', 18)).toMatchObject({ event: 11 });
  });

  test('runs again what that task and later ones asked for, and what was under way', async () => {
    const { runsAgain } = await preview('promotion-succeeded-approved', 25);
    expect(runsAgain[0]).toEqual({
      event: 26,
      activity: 'executeStep',
      step: 'gate',
      target: null,
      consequence: expect.stringContaining('decision that was made'),
    });
    expect(runsAgain.map(({ activity }) => activity)).toEqual(
      expect.arrayContaining(['openApproval', 'recordApproval', 'takeLease', 'sealPromotion']),
    );
    const deployments = runsAgain.filter(({ step }) => step === 'deploy');
    expect(deployments.length).toBeGreaterThan(0);
    for (const { target, consequence } of deployments) {
      expect(target).toEqual(expect.any(String));
      expect(consequence).toContain('nothing is deployed twice');
    }
    // Event 32 schedules the plan; its end at 34 is before the reset at 37, and stands.
    const later = await preview('promotion-succeeded-approved', 37);
    expect(later.runsAgain.map(({ event }) => event)).not.toContain(32);
    expect(later.runsAgain[0]?.event).toBe(38);
  });

  test('of the very last task runs again only what it asked for', async () => {
    const { runsAgain, warnings } = await preview('promotion-succeeded-approved');
    expect(runsAgain).toEqual([]);
    expect(warnings.map(({ code }) => code)).toEqual(['run-closed']);
  });

  test('warns of what is given to the new run, and of what stays as it is', async () => {
    const approved = await preview('promotion-succeeded-approved', 11);
    expect(codesOf(approved)).toEqual([
      'decisions-stand',
      'targets-touched',
      'deadlines-anew',
      'run-closed',
    ]);
    expect(codesOf(await preview('promotion-cancelled', 4))).toContain('cancel-stands');
    expect(codesOf(await preview('promotion-cancelled-superseded', 4))).toContain('superseded');
    expect(codesOf(await preview('promotion-reverted-course-resumed', 4))).toContain(
      'put-back-stands',
    );
    expect(codesOf(await preview('promotion-denied', 4))).not.toContain('targets-touched');
  });

  test('is impossible before the first workflow task ended, beyond the newest event, and without any', async () => {
    const { workflowId, history } = recorded('promotion-succeeded');
    const ask = (event: number, of: ResettableHistory = history) =>
      previewReset(of, { workflowId, event });
    const lastEvent = history.events?.length ?? 0;
    for (const event of [1, 3, lastEvent + 1]) {
      expect(await ask(event)).toMatchObject({
        ok: false,
        code: 'reset-impossible',
        message: expect.stringContaining('from 4'),
      });
    }
    expect(await ask(lastEvent)).toMatchObject({ ok: true });
    const begun = { events: history.events?.slice(0, 3) ?? [] };
    expect(await ask(2, begun)).toMatchObject({ ok: false, code: 'reset-impossible' });
    expect(await ask(1, {})).toMatchObject({ ok: false, code: 'reset-impossible' });
  });

  test('reads step and target through the codec, and goes without them where the key is another', async () => {
    const { workflowId, history } = recorded('promotion-succeeded');
    const keysOf = (byte: number) =>
      parseCodecKeys({
        tenants: {
          acme: { keyId: `key-${byte}`, key: Buffer.alloc(32, byte).toString('base64') },
        },
      });
    const codec = createPayloadCodec(keysOf(1));
    const events = await Promise.all(
      (history.events ?? []).map(async (event) => {
        const scheduled = event.activityTaskScheduledEventAttributes;
        if (scheduled == null) return event;
        const payloads = await codec.encode((scheduled.input?.payloads ?? []) as Payload[], {
          type: 'workflow',
          namespace: '',
          workflowId,
        });
        return {
          eventId: event.eventId ?? null,
          activityTaskScheduledEventAttributes: { ...scheduled, input: { payloads } },
        };
      }),
    );
    const stepsWith = async (byte: number) => {
      const options = { workflowId, event: 4, codec: createPayloadCodec(keysOf(byte)) };
      const answer = await previewReset({ events }, options);
      return answer.ok ? answer.preview.runsAgain.map(({ step }) => step) : [];
    };
    const plain = await preview('promotion-succeeded', 4);
    expect(await stepsWith(1)).toEqual(plain.runsAgain.map(({ step }) => step));
    expect(new Set(await stepsWith(2))).toEqual(new Set([null]));
  });
});
