import { HISTORY_EXPORT_SCHEMA } from '@sluice/domain';
import { canonicalJson } from '@sluice/pure';
import type { Payload } from '@temporalio/common';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { CodecKeys } from '../codec-keys.ts';
import { gatherConditionTexts } from './condition-texts.ts';
import { decodePayloads } from './decode-payloads.ts';
import type { HistoryFileHead } from './history-head.ts';
import type { History, HistoryEvent } from './history-message.ts';
import { isPayload, isVisited, metadataText } from './history-message.ts';
import { Pseudonyms } from './pseudonyms.ts';
import {
  COMPARED_HOLDERS,
  FACT_HOLDERS,
  HIDDEN_HOLDERS,
  hasKeptForm,
  isHidden,
  isKept,
  isMetadata,
  KEPT_FIELDS,
  KEPT_MESSAGE_FIELDS,
  KEPT_TEXTS,
  type KeptFields,
  ORIGIN_FIELD,
  PERSON_FIELDS,
  PERSON_HOLDERS,
  UPDATE_ID_FIELDS,
} from './redaction-rules.ts';

/** A history that may be shown: readable JSON, without texts and people. It replays as the original does. */
export interface RedactedHistory {
  readonly schema: typeof HISTORY_EXPORT_SCHEMA;
  /** Of the original; its digest is too. */
  readonly head: HistoryFileHead;
  /** Protobuf JSON, as `temporal workflow show` writes it. */
  readonly history: object;
}

/** Payloads of these encodings hold JSON. */
const JSON_ENCODINGS: ReadonlySet<string> = new Set(['json/plain', 'json/protobuf']);
const KEPT_METADATA: ReadonlySet<string> = new Set(['encoding', 'messageType', 'type']);
const STICKY_QUEUE = 2;

/**
 * Makes a history that may leave: free texts, failures' messages, stack traces, identities and hosts are blanked, people renamed
 * to `person-1` and so on, members of labels, settings, inputs and memo to `member-1`, without their values. What decides the code's way stays:
 * ids, names, codes, states, types, digests, times. Texts that conditions read, and names of members in them, become `text-1` and so on, the
 * same for the same, but for those that a condition itself names, and names of parameters and outputs: what is equal stays equal, and what is
 * not stays so. A condition that orders texts, measures them or looks
 * into them is answered otherwise than it was. The same history always gives the same document, and its own redaction changes nothing more.
 * @param keys may be left out for a history that has nothing encoded
 * @throws HistoryFileError `history-key-missing`, `history-tenant-mismatch`, `history-damaged`
 */
export async function redactHistory(
  history: History,
  head: HistoryFileHead,
  keys?: CodecKeys,
): Promise<RedactedHistory> {
  const readable = await decodePayloads(history, head.workflowId, keys);
  const redaction = new Redaction(readable);
  const events = (readable.events ?? []).map((event) => redaction.event(event));
  return {
    schema: HISTORY_EXPORT_SCHEMA,
    head,
    history: JSON.parse(historyToJSON({ events })) as object,
  };
}

/** The document as a file: JSON, one event a line, members sorted. */
export function redactedHistoryText({ schema, head, history }: RedactedHistory): string {
  const { events = [] } = history as { events?: readonly object[] };
  const lines = events.map((event) => `  ${canonicalJson(event)}`).join(',\n');
  return (
    `{"schema": ${JSON.stringify(schema)},\n"head": ${canonicalJson(head)},\n` +
    `"history": {"events": [\n${lines}\n]}}\n`
  );
}

class Redaction {
  readonly #names = new Pseudonyms();
  /** Texts and names that stay where conditions read them. */
  readonly #kept = new Set<string>();
  /** Id of the event that scheduled an activity → its type. */
  readonly #activities = new Map<string, string>();

  constructor({ events }: History) {
    for (const { eventId, activityTaskScheduledEventAttributes: activity } of events ?? []) {
      const type = activity?.activityType?.name;
      if (type != null) this.#activities.set(String(eventId), type);
    }
    this.#gather(events ?? []);
  }

  /** Only a course has conditions, and a promotion gets that with its rules, or with what the run before it left. */
  #gather(message: unknown): void {
    if (!isVisited(message) || message instanceof Uint8Array) return;
    if (Array.isArray(message)) for (const member of message) this.#gather(member);
    else if (!isPayload(message)) for (const member of Object.values(message)) this.#gather(member);
    else if (JSON_ENCODINGS.has(metadataText(message, 'encoding'))) {
      gatherConditionTexts(parse(message), '', this.#kept);
    }
  }

  event(event: HistoryEvent): HistoryEvent {
    const scheduledBy = event.activityTaskCompletedEventAttributes?.scheduledEventId;
    const activity = this.#activities.get(String(scheduledBy)) ?? '';
    return this.#message(event, '', activity) as HistoryEvent;
  }

  /** @param root stands for the name of a payload that has none */
  #message(value: unknown, name: string, root: string): unknown {
    if (typeof value === 'string') return this.#text(value, name, '', KEPT_MESSAGE_FIELDS);
    if (value instanceof Uint8Array) return new Uint8Array();
    if (!isVisited(value)) return value;
    if (Array.isArray(value)) return value.map((member) => this.#message(member, name, root));
    if (isPayload(value)) return this.#payload(value, root);
    if (HIDDEN_HOLDERS.has(name)) return this.#hiddenMessage(value);
    const copy: Record<string, unknown> = {};
    const isSticky = (value as { kind?: unknown }).kind === STICKY_QUEUE;
    for (const [field, member] of Object.entries(value)) {
      // Members of a map of payloads are called by their keys.
      const isMapMember = isVisited(member) && (isPayload(member) || MAPS.has(name));
      if (typeof member === 'string' && field === 'name' && (isSticky || name === 'principal')) {
        // A sticky queue is named after its worker's process.
        copy[field] = isSticky ? 'sticky' : this.#names.person(member);
      } else copy[field] = this.#message(member, field, isMapMember ? field : root);
    }
    return copy;
  }

  /** A memo: members of its maps of payloads are called as somebody liked. */
  #hiddenMessage(value: unknown): unknown {
    if (value instanceof Uint8Array) return new Uint8Array();
    if (!isVisited(value)) return blank(value);
    if (isPayload(value)) return this.#payload(value, HIDDEN_ROOT);
    if (Array.isArray(value)) return value.map((member) => this.#hiddenMessage(member));
    // The engine gives members of maps in any order; the shorter first, so that new names keep theirs.
    const members = Object.entries(value).sort(
      ([a], [b]) => a.length - b.length || (a < b ? -1 : 1),
    );
    return Object.fromEntries(
      members.map(([name, member]) => {
        const isChosen = isVisited(member) && isPayload(member);
        return [isChosen ? this.#names.member(name) : name, this.#hiddenMessage(member)];
      }),
    );
  }

  #payload(payload: Payload, root: string): Payload {
    const encoding = metadataText(payload, 'encoding');
    const kept = Object.entries(payload.metadata ?? {}).filter(
      ([name]) => KEPT_METADATA.has(name) && isMetadata(metadataText(payload, name)),
    );
    const metadata = Object.fromEntries(kept);
    if (!JSON_ENCODINGS.has(encoding)) return { metadata };
    const data = Buffer.from(JSON.stringify(this.#value(parse(payload), root, '')));
    return { metadata, data };
  }

  #value(value: unknown, name: string, holder: string): unknown {
    if (isHidden(value, name)) return this.#hidden(value);
    if (COMPARED_HOLDERS.has(name)) return this.#compared(value);
    if (FACT_HOLDERS.has(name) && isVisited(value)) return this.#fact(value, '');
    if (typeof value === 'string') return this.#text(value, name, holder, KEPT_FIELDS);
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map((member) => this.#value(member, name, holder));
    const members = Object.entries(value);
    return Object.fromEntries(
      members.map(([field, member]) => [field, this.#value(member, field, name)]),
    );
  }

  /** Its shape alone: the same names become the same, so that what is equal stays equal. */
  #hidden(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return blank(value);
    if (Array.isArray(value)) return value.map((member) => this.#hidden(member));
    const members = Object.entries(value);
    return Object.fromEntries(
      members.map(([name, member]) => [this.#names.member(name), this.#hidden(member)]),
    );
  }

  /** Names of members may be looked up by a text: they are renamed alike. Those that the pipeline declares are among what stays. */
  #compared(value: unknown): unknown {
    if (typeof value === 'string') return this.#comparedText(value);
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map((one) => this.#compared(one));
    const members = Object.entries(value);
    return Object.fromEntries(
      members.map(([name, member]) => [this.#comparedText(name), this.#compared(member)]),
    );
  }

  #comparedText(text: string): string {
    return hasKeptForm(text) ? text : this.#names.text(text, this.#kept);
  }

  /** What the promotion itself is called: its members are those that Sluice gives it. */
  #fact(value: unknown, name: string): unknown {
    if (typeof value === 'string') {
      return isKept(value, name, KEPT_FIELDS) ? value : this.#comparedText(value);
    }
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map((one) => this.#fact(one, name));
    const members = Object.entries(value);
    return Object.fromEntries(members.map(([field, member]) => [field, this.#fact(member, field)]));
  }

  #text(text: string, name: string, holder: string, keptFields: KeptFields): string {
    if (KEPT_TEXTS.has(text)) return text;
    if (UPDATE_ID_FIELDS.has(name)) return this.#names.updateId(text);
    if (PERSON_FIELDS.has(name)) return this.#names.person(text);
    if (name === ORIGIN_FIELD) return this.#names.origin(text);
    if (name === 'name' && PERSON_HOLDERS.has(holder)) return this.#names.person(text);
    if (hasKeptForm(text)) return text;
    return isKept(text, name, keptFields) ? text : '';
  }
}

/** The name of a payload in a hidden holder: any of these. */
const HIDDEN_ROOT = 'memo';

/** Nothing, of the same type. */
function blank(value: unknown): unknown {
  if (typeof value === 'string') return '';
  if (typeof value === 'number') return 0;
  return typeof value === 'boolean' ? false : null;
}

/** Fields of messages that are maps: their members' names are names of payloads. */
const MAPS: ReadonlySet<string> = new Set(['details', 'fields', 'indexedFields']);

function parse({ data }: Payload): unknown {
  try {
    return JSON.parse(Buffer.from(data ?? []).toString('utf8'));
  } catch {
    // What says that it is JSON and is not tells nothing that may be kept.
    return '';
  }
}
