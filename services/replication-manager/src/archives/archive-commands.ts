import { randomUUID } from 'node:crypto';
import type { Bus, CommandHandlers } from '@salvor/bus';
import {
  type ArchiveDecision,
  type ArchiveOrder,
  type ArchiveRecord,
  applyArchive,
  applyVolume,
  beginOperation,
  type ConfigStore,
  decideArchiveOrder,
  decideVolumeEnable,
  listArchives,
  readArchive,
} from '@salvor/config-store';
import type { ArchiveAnswerInit, Outcome } from '@salvor/contracts';
import { type Logger, SalvorError } from '@salvor/service-kit';
import { decodeSegment, lastSequence, logStream, logSubject } from '@salvor/tlog';
import type { AnnounceArchive } from './archive-announcer.ts';
import { describeArchive, sendErrorOf } from './archive-description.ts';
import type { ArchiveSources } from './archive-source.ts';
import { restoreBegins } from './restore-order.ts';

export interface ArchiveCommandsOptions {
  readonly store: ConfigStore;
  readonly bus: Bus;
  readonly zone: string;
  readonly zones: readonly string[];
  readonly sources: ArchiveSources;
  readonly announce: AnnounceArchive;
  readonly log: Logger;
}

interface Named {
  readonly archive: string;
  readonly volume: string;
}

interface Changed extends Named {
  readonly operation: string;
  readonly outcome: Outcome;
  readonly reason: string;
}

/** The commands about archives. */
export function archiveCommandHandlers(options: ArchiveCommandsOptions): CommandHandlers {
  const { store, zone, zones, announce, log, bus } = options;
  const order = async (
    kind: string,
    { operationId: _, ...request }: Named & { readonly operationId?: string | undefined },
    operation: string,
    wanted: ArchiveOrder | 'forget',
    named: Named = request,
  ): Promise<Changed> => {
    const { archive, volume } = named;
    assertIds(named);
    const decide = (
      record: ArchiveRecord | null,
      others: readonly ArchiveRecord[],
      now: number,
    ): ArchiveDecision | 'forget' =>
      wanted === 'forget' ? wanted : decideArchiveOrder({ archive, volume }, record, wanted, others, now);
    const change = { archive, volume, order: { operation, kind, request: { ...request } } };
    const result = await applyArchive(store, change, decide);
    announce(result);
    const { outcome, code, reason } = result;
    if (outcome === 'refused' || outcome === 'conflict') throw new SalvorError(code, reason);
    return { archive, volume, operation, outcome, reason };
  };
  const of = async ({
    volume,
    archive,
  }: {
    readonly volume?: string | undefined;
    readonly archive?: string | undefined;
  }): Promise<ArchiveRecord[]> => {
    const all = await listArchives(store, ({ message }) =>
      log.error({ error: message }, 'an archive is not listed: its record is bad'),
    );
    const found = all.filter(
      (each) =>
        (volume === undefined || each.volume === volume) &&
        (archive === undefined || each.archive === archive),
    );
    if (found.length === 0 && (volume !== undefined || archive !== undefined))
      throw new SalvorError(
        'unknown-archive',
        `${archive === undefined ? 'no archive' : `archive ${archive}`} holds volume ${volume ?? ''} here`,
      );
    return found.toSorted((a, b) => a.role.localeCompare(b.role) || a.archive.localeCompare(b.archive));
  };
  const answers = async (
    asked: { readonly volume: string; readonly archive?: string | undefined },
    reasonOf: (record: ArchiveRecord) => string,
  ): Promise<ArchiveAnswerInit[]> =>
    (await of(asked)).map((record) => {
      const reason = reasonOf(record);
      return { archive: record.archive, is: reason !== '', reason };
    });
  const overflowOf = ({ overflow }: ArchiveRecord): string => overflow?.reason ?? '';
  return {
    'archive.list': async () => ({ archives: (await of({})).map(describeArchive) }),
    'archive.status': async (request) => ({ archives: (await of(request)).map(describeArchive) }),
    'archive.is-overflow': async (request) => {
      const archives = await answers(request, overflowOf);
      return { volume: request.volume, isOverflow: archives.some(({ is }) => is), archives };
    },
    'archive.is-send-error': async (request) => {
      const archives = await answers(request, sendErrorOf);
      return { volume: request.volume, isSendError: archives.some(({ is }) => is), archives };
    },
    'archive.init-storage': async (request, { operationId: operation }) => {
      const { volume, vdisk } = request;
      if (volume === '') throw new SalvorError('invalid-volume-id', 'volume ids must not be empty');
      const asked = { volume, vdisk };
      const result = await applyVolume(
        store,
        { volume, vdisk, order: { operation, kind: 'archive.init-storage', request: asked, by: 'command' } },
        ({ record, vdiskExists, hasLog, volumeOfVdisk: otherVolume, owner, busy }, now) =>
          decideVolumeEnable(
            record,
            { volume, vdisk, from: null, incarnation: randomUUID().slice(0, 8) },
            { zone, peers: zones, vdiskExists, hasLog, otherVolume, owner, busy },
            now,
          ),
      );
      const { outcome, code, reason } = result;
      if (outcome === 'refused' || outcome === 'conflict') throw new SalvorError(code, reason);
      return { volume, operation, outcome, reason };
    },
    'archive.start-synchronizing': (request, { operationId }) =>
      order('archive.start-synchronizing', request, operationId, {
        kind: 'start-synchronizing',
        source: { kind: 'zone', zone: zoneOf(request.zone ?? zone, [zone, ...zones]) },
      }),
    'archive.stop-synchronizing': (request, { operationId }) =>
      order(
        'archive.stop-synchronizing',
        request,
        operationId,
        request.forget ? 'forget' : { kind: 'stop-synchronizing' },
      ),
    'archive.full-backup': (request, { operationId }) =>
      order('archive.full-backup', request, operationId, { kind: 'backup', way: 'full' }),
    'archive.hash-backup': (request, { operationId }) =>
      order('archive.hash-backup', request, operationId, { kind: 'backup', way: 'hash' }),
    'archive.kick': async (request, { operationId }) => {
      const { archive, volume } = request;
      const kicked: ArchiveAnswerInit[] = [];
      let outcome: Outcome = 'already';
      for (const record of await of({ archive, volume })) {
        const named = { archive: record.archive, volume: record.volume };
        const operation = `${operationId}:${named.archive}:${named.volume}`;
        const done = await order('archive.kick', named, operation, { kind: 'kick' });
        if (done.outcome === 'applied') outcome = 'applied';
        const reason = sendErrorOf(record);
        kicked.push({ archive: record.archive, is: reason !== '', reason });
      }
      return { operation: operationId, outcome, kicked, reason: `kicked: ${kicked.length}` };
    },
    'archive.make-primary': (request, { operationId }) =>
      order('archive.make-primary', request, operationId, { kind: 'make-primary', force: request.force }),
    'archive.set-retention': (request, { operationId }) => {
      const { everyStateMs, points, pointEveryMs } = request;
      if (everyStateMs < 0 || points < 0 || points > 1_000 || pointEveryMs < 1_000)
        throw new SalvorError(
          'bad-request',
          'expected everyStateMs of at least 0, up to 1000 points, and pointEveryMs of at least 1000',
        );
      return order('archive.set-retention', request, operationId, {
        kind: 'set-retention',
        retention: { everyStateMs, points, pointEveryMs },
      });
    },
    'archive.snapshot': async (request, { operationId }) => {
      const { name, remove } = request;
      if (name === '') throw new SalvorError('bad-request', 'expected a name, found none');
      if (remove) return order('archive.snapshot', request, operationId, { kind: 'drop-snapshot', name });
      const sourceLast = await sourceEnd(options, request);
      return order('archive.snapshot', request, operationId, { kind: 'snapshot', name, sourceLast });
    },
    'archive.replicate': (request, { operationId }) =>
      order(
        'archive.replicate',
        request,
        operationId,
        { kind: 'start-synchronizing', source: { kind: 'archive', archive: request.archive } },
        { archive: request.to, volume: request.volume },
      ),
    'archive.restore': async (request, { operationId }) => {
      const { archive, volume, vdisk } = request;
      assertIds(request);
      const begun = await restoreBegins({ store, bus }, request, operationId);
      return { archive, volume, vdisk, operation: operationId, ...begun };
    },
    'archive.verify': async ({ archive, volume }, { operationId: operation }) => {
      assertIds({ archive, volume });
      if ((await readArchive(store, { archive, volume })) === null)
        throw new SalvorError('unknown-archive', `archive ${archive} does not hold volume ${volume}`);
      const { outcome, code, reason } = await beginOperation(store, {
        ...{ operation, kind: 'archive.verify', request: { archive, volume }, subject: volume },
        message: `reads what archive ${archive} holds of volume ${volume}`,
        checkpoint: { archive, volume },
      });
      if (outcome === 'refused' || outcome === 'conflict') throw new SalvorError(code, reason);
      return { archive, volume, operation, outcome, reason };
    },
  };
}

/** Last record of the log that an archive follows. */
async function sourceEnd({ store, sources }: ArchiveCommandsOptions, named: Named): Promise<number> {
  assertIds(named);
  const record = await readArchive(store, named);
  if (record === null)
    throw new SalvorError('unknown-archive', `archive ${named.archive} does not hold volume ${named.volume}`);
  if (record.source.kind === 'archive')
    throw new SalvorError(
      'wrong-source',
      `archive ${named.archive} is a copy of archive ${record.source.archive}: name the state there`,
    );
  const { log } = await sources.open(record.source.zone, named.volume);
  const newest = await log.streams.last(logStream(log.container), logSubject(log.container, log.vdisk));
  if (newest === null) throw new SalvorError('log-not-begun', `the log of volume ${named.volume} is empty`);
  return lastSequence(decodeSegment(newest.data));
}

function zoneOf(zone: string, known: readonly string[]): string {
  if (known.includes(zone)) return zone;
  throw new SalvorError(
    'unknown-zone',
    `zone ${zone} is not configured here (SALVOR_ZONE_PEERS); known are ${known.join(', ')}`,
  );
}

const ID = /^[A-Za-z0-9_:-]{1,64}$/;

function assertIds({ archive, volume }: Named): void {
  for (const id of [archive, volume])
    if (!ID.test(id))
      throw new SalvorError(
        'bad-request',
        `expected 1 to 64 of A-Z a-z 0-9 _ : -, found ${JSON.stringify(id)}`,
      );
}
