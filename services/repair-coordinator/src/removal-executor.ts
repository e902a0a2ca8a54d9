import {
  type ConfigStore,
  type Executor,
  type OperationEnding,
  type OperationRun,
  vdiskLifecycleKey,
  vdiskRemovalSchema,
} from '@salvor/config-store';
import { messageOf, pause, SalvorError } from '@salvor/service-kit';
import { EngineReader, engineMemory, type Removal, removeVdisk } from '@salvor/vdisk';
import type { z } from 'zod';
import { readCluster } from './descriptions.ts';
import type { EngineAccess } from './vdisk-blocks.ts';
import { placesOf, type VdiskPlace } from './vdisk-places.ts';

type RemovalState = z.output<typeof vdiskRemovalSchema>;

/** How long the end of an operation waits for engines to give memory back. */
const MEMORY_WAIT_MS = 10_000;
const MEMORY_LOOK_MS = 100;

/** Frees what a deleted vdisk, or an orphan, holds on the engines of its clusters; waits for engines that are away. */
export function removalExecutor(store: ConfigStore, access: EngineAccess): Executor {
  return async (run) => {
    const removal = await freeVdisk(
      store,
      access,
      run,
      vdiskRemovalSchema.parse(run.checkpoint),
      (state) => state,
    );
    const { vdisk, keys = 0, bytes = 0, done } = removal;
    const message = `vdisk ${vdisk} is free on ${done.length} engines: ${keys} keys of some ${bytes} bytes removed`;
    return { status: 'completed', message, effects: await idIsFree(store, vdisk, run.record.operation) };
  };
}

/** What makes the id of a deleted vdisk free, as the effects of the end of the operation that freed it. */
export async function idIsFree(
  store: ConfigStore,
  vdisk: string,
  operation: string,
): Promise<NonNullable<OperationEnding['effects']>> {
  const key = vdiskLifecycleKey(vdisk);
  const tombstone = await store.get(key);
  // An orphan of a vdisk that lives elsewhere has none.
  if (tombstone === null || !tombstone.value.includes(operation)) return {};
  return { compare: [{ key, revision: tombstone.revision }], deletes: [key] };
}

/**
 * Removes the keys on one engine after another, and stores what is done; `toCheckpoint` puts that into the checkpoint of the
 * operation. What cannot be reached now is tried last, and then the whole rejects: the operation waits and goes on later.
 */
export async function freeVdisk(
  store: ConfigStore,
  access: EngineAccess,
  run: OperationRun,
  from: RemovalState,
  toCheckpoint: (state: RemovalState) => unknown,
): Promise<RemovalState> {
  const { vdisk, clusters, orphan } = from;
  const untilEpoch = from.untilEpoch ?? (await store.get(vdiskLifecycleKey(vdisk)))?.revision ?? '0';
  let state: RemovalState = { ...from, untilEpoch };
  const places = [...(await placesOf(store, clusters)), ...(orphan ? await sparesOf(store, clusters) : [])];
  const waiting: { place: VdiskPlace; error: unknown }[] = [];
  for (const place of places) {
    const name = `${place.cluster}/${place.shard}/${place.generation}`;
    if (state.done.includes(name)) continue;
    try {
      const { keys, bytes } = await removeAt(place, access, state, untilEpoch);
      const done = [...state.done, name];
      state = { ...state, done, keys: (state.keys ?? 0) + keys, bytes: (state.bytes ?? 0) + bytes };
    } catch (error) {
      waiting.push({ place, error });
      continue;
    }
    const progress = { done: state.done.length, total: places.length, checkpoint: toCheckpoint(state) };
    const message = `frees the blocks of vdisk ${vdisk}: ${state.done.length} of ${places.length} engines are done`;
    await run.report({ ...progress, message }, { now: true });
  }
  const [first] = waiting;
  if (first !== undefined) {
    const { place, error } = first;
    const names = waiting.map(({ place: { address } }) => address).join(', ');
    const what = `${state.done.length} of ${places.length} engines are free of vdisk ${vdisk}; waits for ${names}`;
    throw new SalvorError(
      'waits-for-engine',
      `${what}: ${place.cluster} shard ${place.shard} is ${place.status}, ${messageOf(error)}`,
    );
  }
  await Promise.all(
    places.filter(({ status }) => status !== 'rip').map((place) => memoryGivenBack(place, access)),
  );
  return state;
}

async function removeAt(
  place: VdiskPlace,
  access: EngineAccess,
  { vdisk, orphan, type }: RemovalState,
  untilEpoch: string,
): Promise<Pick<Removal, 'keys' | 'bytes'>> {
  // Gone for good: nobody will read from it again.
  if (place.status === 'rip') return { keys: 0, bytes: 0 };
  const { cluster, role, shard, generation, address, db } = place;
  const identity = { cluster, role, shard, generation };
  const options = { vdisk, untilEpoch, identity, address, db, ...access };
  return removeVdisk({ ...options, search: orphan || type === 'volume' || type === 'boot' });
}

/** A spare belongs to no shard, so it has no identity; one that has is some other engine's, and is left alone. */
async function sparesOf(store: ConfigStore, clusters: readonly string[]): Promise<VdiskPlace[]> {
  const known = await Promise.all(clusters.map((cluster) => readCluster(store, cluster)));
  return known.flatMap(({ cluster, record }) =>
    record.spares.map(({ address, db }, i) => ({
      ...{ cluster, role: record.role, shard: -1 - i, address, db },
      ...{ generation: 0, status: 'online' as const },
    })),
  );
}

/** Unlinked keys are given back in the background of the engine: an operation that has ended has freed them. */
async function memoryGivenBack({ address, db }: VdiskPlace, access: EngineAccess): Promise<void> {
  using reader = await EngineReader.open({ address, db, ...access }, null);
  const until = performance.now() + MEMORY_WAIT_MS;
  while ((await engineMemory(reader)).pendingObjects > 0 && performance.now() < until)
    await pause(MEMORY_LOOK_MS);
}
