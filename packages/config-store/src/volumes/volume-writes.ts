/** What a decision about a volume writes beside its record: who may use the vdisk follows from its role. Pure. */
import { formatRecord } from '../healing/record-text.ts';
import { busyWith } from '../healing/vdisk-admission.ts';
import { ownerKey, vdiskLifecycleKey, vdiskVolumeKey, volumeKey, volumePointKey } from '../keys.ts';
import { type VdiskLifecycle, vdiskLifecycleSchema } from '../lifecycle/vdisk-lifecycle.ts';
import type { Put } from '../types.ts';
import {
  type ReplicationPoint,
  replicationPointSchema,
  type VolumeRecord,
  vdiskVolumeSchema,
  volumeSchema,
} from './volume-records.ts';

/** Points of one generation that are remembered. */
const POINTS_MAX = 64;

/** In the name of which operation the secondary copy of a volume is mounted. */
export function copierOf(volume: string): string {
  return `volume-${volume}`;
}

export type VolumeWrites =
  | { readonly puts: readonly Put[]; readonly deletes: readonly string[] }
  | { readonly refusal: string };

export function volumeWrites(
  before: {
    readonly record: VolumeRecord | null;
    readonly lifecycle: VdiskLifecycle | null;
    readonly owner: string | null;
  },
  volume: string,
  next: VolumeRecord | null,
  at: number,
): VolumeWrites {
  const { record, lifecycle, owner } = before;
  const vdisk = next?.vdisk ?? record?.vdisk;
  if (vdisk === undefined) return { puts: [], deletes: [] };
  const key = volumeKey(volume);
  const puts: Put[] = [];
  const deletes: string[] = [];
  if (next === null) deletes.push(key, vdiskVolumeKey(vdisk));
  else puts.push({ key, value: formatRecord(volumeSchema, key, next) });
  if (next !== null && record === null) {
    const own = vdiskVolumeKey(vdisk);
    puts.push({ key: own, value: formatRecord(vdiskVolumeSchema, own, { volume }) });
  }
  const wasSecondary = record?.role === 'secondary';
  const isSecondary = next?.role === 'secondary';
  if (wasSecondary !== isSecondary) {
    const gate = vdiskLifecycleKey(vdisk);
    if (isSecondary) {
      const busy = busyWith(vdisk, lifecycle);
      if (busy !== null) return { refusal: busy.reason };
      const closed = { state: 'secondary' as const, operations: [copierOf(volume)], at };
      puts.push({ key: gate, value: formatRecord(vdiskLifecycleSchema, gate, closed) });
    } else if (lifecycle?.state === 'secondary') deletes.push(gate);
    // Whoever has the vdisk loses it with this very transaction; the next owner fences it on every engine.
    if (owner !== null) deletes.push(ownerKey(vdisk));
  }
  const point = next?.point ?? null;
  if (point !== null && !samePoint(point, record?.point ?? null)) {
    const own = volumePointKey(volume, nameOf(point.generation, point.number));
    puts.push({ key: own, value: formatRecord(replicationPointSchema, own, point) });
    if (point.number > POINTS_MAX)
      deletes.push(volumePointKey(volume, nameOf(point.generation, point.number - POINTS_MAX)));
  }
  return { puts, deletes };
}

function samePoint(a: ReplicationPoint, b: ReplicationPoint | null): boolean {
  return b !== null && nameOf(a.generation, a.number) === nameOf(b.generation, b.number);
}

function nameOf(generation: ReplicationPoint['generation'], number: number): string {
  const { zone, incarnation } = generation;
  return `${generation.number}.${zone}${incarnation === '' ? '' : `.${incarnation}`}.${number}`;
}
