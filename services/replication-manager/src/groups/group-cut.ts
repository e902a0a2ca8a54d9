import { randomUUID } from 'node:crypto';
import type { Bus } from '@salvor/bus';
import {
  applyGroup,
  type ConfigStore,
  type ConsistencyGroup,
  decideGroupStep,
  type LogSegment,
  logSegmentSchema,
  newestMade,
  readWriters,
  sameGeneration,
  sameSegment,
  type VdiskWriter,
  type VolumeRecord,
  withMadeCut,
  writerCompare,
} from '@salvor/config-store';
import type { CutPlace } from '@salvor/contracts';
import { messageOf, SalvorError } from '@salvor/service-kit';

/** For how long servers answer no writes at most while the others cut as well. */
export const CUT_HOLD_MS = 500;
const COLLECT_TIMEOUT_MS = 5_000;
/** Of a group that nobody writes to: how often it goes on record that it is still so. */
const SAME_AGAIN_MS = 10_000;

export interface GroupCutOptions {
  readonly store: ConfigStore;
  readonly bus: Pick<Bus, 'request'>;
  readonly holdMs?: number;
}

/**
 * Makes a cut through the logs of all volumes of a group, and puts it on record with each of them. What is proven before it
 * counts: every server has cut before any answered a write again; Tier-1 has every log up to there; and the owners are those that
 * they were before, so that nobody else answered writes meanwhile.
 *
 * @throws SalvorError that says why there is none, `no-writer` when no server was asked for one; StoreError
 */
export async function cutGroup(
  { store, bus, holdMs = CUT_HOLD_MS }: GroupCutOptions,
  group: Pick<ConsistencyGroup, 'name' | 'members'>,
  records: readonly VolumeRecord[],
): Promise<void> {
  const at = Date.now();
  const writers = await writersOf(store, records);
  const servers = new Map<string, VdiskWriter[]>();
  for (const writer of writers) servers.set(writer.server, [...(servers.get(writer.server) ?? []), writer]);
  const cut = randomUUID();
  const found = await placesOf(bus, cut, servers, servers.size > 1 ? holdMs : 0);
  const places = new Map<string, LogSegment>();
  for (const { volume, vdisk } of records) {
    const place = found.find((each) => each.vdisk === vdisk);
    if (place === undefined)
      throw new SalvorError('cut-failed', `no server told where it cut vdisk ${vdisk}`);
    places.set(volume, logSegmentSchema.parse(place.segment));
  }
  let isSame = false;
  const outcome = await applyGroup(
    store,
    { members: group.members, compare: writers.map(writerCompare), attemptsMax: 4 },
    (now) => {
      const all = now.flatMap((record, index) =>
        record !== null && isAsItWas(record, records[index]) ? [record] : [],
      );
      if (decideGroupStep(group, now).kind !== 'cut' || all.length < records.length) return null;
      isSame = !isNews(all, places, at);
      return isSame ? null : withMadeCut(all, { id: idOf(all, places) ?? cut, at, places });
    },
  );
  if (outcome !== 'applied' && !isSame)
    throw new SalvorError('cut-failed', 'a volume, or the owner of a vdisk, changed while it was cut');
}

async function writersOf(store: ConfigStore, records: readonly VolumeRecord[]): Promise<VdiskWriter[]> {
  const vdisks = records.map(({ vdisk }) => vdisk);
  const writers = await readWriters(store, vdisks);
  return writers.map((writer, index) => {
    if (writer !== null) return writer;
    throw new SalvorError(
      'no-writer',
      `no server has vdisk ${vdisks[index] ?? ''}: whether its log has all that was written is known once one does, or the volumes are demoted`,
    );
  });
}

/** First all cut, and answer no writes; when all have, they answer again, and tell where they cut. */
async function placesOf(
  bus: Pick<Bus, 'request'>,
  cut: string,
  servers: ReadonlyMap<string, readonly VdiskWriter[]>,
  holdMs: number,
): Promise<CutPlace[]> {
  const names = [...servers.keys()];
  const begun = await Promise.allSettled(
    [...servers].map(([server, writers]) => {
      const vdisks = writers.map(({ vdisk, epoch }) => ({ vdisk, epoch: Number(epoch) }));
      const options = { instance: server, timeoutMs: Math.max(holdMs, CUT_HOLD_MS) };
      return bus.request('nbdserver.cut', { cut, vdisks, holdMs }, options);
    }),
  );
  // Whoever holds writes is let go of, whatever came of the others.
  const ended = await Promise.allSettled(
    names.map((server) =>
      bus.request(
        'nbdserver.cut',
        { cut, vdisks: [], holdMs: 0, collect: true },
        { instance: server, timeoutMs: COLLECT_TIMEOUT_MS },
      ),
    ),
  );
  for (const results of [begun, ended])
    for (const [index, result] of results.entries())
      if (result.status === 'rejected')
        throw new SalvorError('cut-failed', `server ${names[index] ?? ''}: ${messageOf(result.reason)}`);
  return ended.flatMap((result) => (result.status === 'fulfilled' ? result.value.places : []));
}

function isAsItWas(now: VolumeRecord, before: VolumeRecord | undefined): boolean {
  return (
    before !== undefined && now.vdisk === before.vdisk && sameGeneration(now.generation, before.generation)
  );
}

function isNews(
  records: readonly VolumeRecord[],
  places: ReadonlyMap<string, LogSegment>,
  at: number,
): boolean {
  const known = idOf(records, places);
  const [made] = records.map(newestMade);
  const isSaid = records.every(({ group }) => group?.reason === '');
  return known === null || !isSaid || at - (made?.at ?? 0) >= SAME_AGAIN_MS;
}

/** Of the cut on record, where nothing was written since; null: something was. */
function idOf(records: readonly VolumeRecord[], places: ReadonlyMap<string, LogSegment>): string | null {
  const id = newestMade(records[0])?.id;
  const isSame = records.every((record) => {
    const { volume, generation } = record;
    const made = newestMade(record);
    const place = places.get(volume);
    return (
      made !== null &&
      made.id === id &&
      place !== undefined &&
      sameSegment(made.segment, place) &&
      sameGeneration(made.generation, generation)
    );
  });
  return isSame && id !== undefined ? id : null;
}
