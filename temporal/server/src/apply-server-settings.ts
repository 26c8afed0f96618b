import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import type { temporal } from '@temporalio/proto';
import proto from '@temporalio/proto';
import { TemporalServerError } from './server-error.ts';
import type { ServerSettings } from './server-settings.ts';
import { loadServerSettings } from './server-settings.ts';

const GRPC_NOT_FOUND = 5;
const GRPC_ALREADY_EXISTS = 6;
const DAY_SECONDS = 86_400;
const VISIBLE_WITHIN_MS = 60_000;

const { IndexedValueType } = proto.temporal.api.enums.v1;
const INDEXED_TYPES = {
  Text: IndexedValueType.INDEXED_VALUE_TYPE_TEXT,
  Keyword: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  Int: IndexedValueType.INDEXED_VALUE_TYPE_INT,
  Double: IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE,
  Bool: IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
  Datetime: IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
  KeywordList: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
} as const;

/** What differs from the checked-in settings; each absent field means "as in the file". */
export type ApplySettingsOptions = {
  readonly settings?: ServerSettings;
  readonly namespace?: string;
  readonly retentionDays?: number;
};

/** What {@link applyServerSettings} changed; a second call changes nothing. */
export type ApplySettingsResult = {
  readonly namespace: string;
  readonly namespaceCreated: boolean;
  readonly retentionChanged: boolean;
  readonly searchAttributesAdded: readonly string[];
};

/**
 * Brings a Temporal server, dev server or cluster, to the settings of `server-settings.json`
 * through its operator API: namespace, retention and search attributes. Safe to repeat and to run
 * from several processes at once.
 *
 * @param address - `host:port` of the frontend.
 * @throws TemporalServerError `temporal-search-attribute-type` when an attribute exists with
 *   another type.
 */
export async function applyServerSettings(
  address: string,
  options: ApplySettingsOptions = {},
): Promise<ApplySettingsResult> {
  const settings = options.settings ?? (await loadServerSettings());
  const namespace = options.namespace ?? settings.namespace;
  const retentionDays = options.retentionDays ?? settings.retentionDays;
  const connection = await Connection.connect({ address, connectTimeout: '10s' });
  try {
    const { created, retentionChanged } = await applyNamespace(
      connection,
      namespace,
      retentionDays,
    );
    const added = await applySearchAttributes(connection, namespace, settings);
    return {
      namespace,
      namespaceCreated: created,
      retentionChanged,
      searchAttributesAdded: added,
    };
  } finally {
    await connection.close();
  }
}

async function applyNamespace(
  connection: Connection,
  namespace: string,
  retentionDays: number,
): Promise<{ created: boolean; retentionChanged: boolean }> {
  const seconds = retentionDays * DAY_SECONDS;
  const current = await findRetentionSeconds(connection, namespace);
  if (current === seconds) {
    return { created: false, retentionChanged: false };
  }
  if (current !== undefined) {
    await connection.workflowService.updateNamespace({
      namespace,
      config: { workflowExecutionRetentionTtl: duration(seconds) },
    });
    return { created: false, retentionChanged: true };
  }
  try {
    await connection.workflowService.registerNamespace({
      namespace,
      description: 'Sluice: promotions and what belongs to them',
      workflowExecutionRetentionPeriod: duration(seconds),
    });
  } catch (error) {
    if (grpcCode(error) !== GRPC_ALREADY_EXISTS) {
      throw error;
    }
  }
  await untilVisible(namespace, async () => {
    return (await findRetentionSeconds(connection, namespace)) !== undefined;
  });
  return { created: true, retentionChanged: false };
}

async function findRetentionSeconds(
  connection: Connection,
  namespace: string,
): Promise<number | undefined> {
  try {
    const answer = await connection.workflowService.describeNamespace({ namespace });
    return Number(answer.config?.workflowExecutionRetentionTtl?.seconds ?? 0);
  } catch (error) {
    if (grpcCode(error) === GRPC_NOT_FOUND) {
      return undefined;
    }
    throw error;
  }
}

async function applySearchAttributes(
  connection: Connection,
  namespace: string,
  settings: ServerSettings,
): Promise<string[]> {
  const missing = async (): Promise<string[]> => {
    const known = await listSearchAttributes(connection, namespace);
    return Object.entries(settings.searchAttributes).flatMap(([name, type]) => {
      const knownType = known[name];
      if (knownType !== undefined && knownType !== INDEXED_TYPES[type]) {
        throw new TemporalServerError(
          'temporal-search-attribute-type',
          `The search attribute ${name} exists in namespace ${namespace} with another type than ${type}. ` +
            'Remove it with "temporal operator search-attribute remove", or use another namespace.',
        );
      }
      return knownType === undefined ? [name] : [];
    });
  };
  const wanted = await missing();
  if (wanted.length === 0) {
    return [];
  }
  const searchAttributes = Object.fromEntries(
    wanted.map((name) => [name, INDEXED_TYPES[settings.searchAttributes[name] ?? 'Keyword']]),
  );
  await untilVisible(namespace, async () => {
    try {
      await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
      return true;
    } catch (error) {
      // Not found: a namespace registered a moment ago has not reached every cache of the server
      // yet.
      if (grpcCode(error) === GRPC_NOT_FOUND) {
        return false;
      }
      if (grpcCode(error) === GRPC_ALREADY_EXISTS) {
        return true;
      }
      throw error;
    }
  });
  await untilVisible(namespace, async () => (await missing()).length === 0);
  return wanted;
}

async function listSearchAttributes(
  connection: Connection,
  namespace: string,
): Promise<Record<string, number>> {
  try {
    const answer = await connection.operatorService.listSearchAttributes({ namespace });
    return (answer.customAttributes ?? {}) as Record<string, number>;
  } catch (error) {
    if (grpcCode(error) === GRPC_NOT_FOUND) {
      return {};
    }
    throw error;
  }
}

async function untilVisible(namespace: string, isVisible: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + VISIBLE_WITHIN_MS;
  while (!(await isVisible())) {
    if (Date.now() > deadline) {
      throw new TemporalServerError(
        'temporal-namespace-timeout',
        `Temporal did not show the settings of namespace ${namespace} within ${VISIBLE_WITHIN_MS / 1000} s; look at the server's log.`,
      );
    }
    await sleep(100);
  }
}

type Duration = NonNullable<
  temporal.api.workflowservice.v1.IRegisterNamespaceRequest['workflowExecutionRetentionPeriod']
>;

/** The generated types want a Long; the encoder takes a number as well. */
function duration(seconds: number): Duration {
  return { seconds: seconds as unknown as NonNullable<Duration['seconds']>, nanos: 0 };
}

function grpcCode(error: unknown): number | undefined {
  return (error as { code?: number }).code;
}
