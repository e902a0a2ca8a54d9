/** What `rbd` prints, checked: what does not have its shape is an error, never something healthy. Pure. */
import { SalvorError } from '@salvor/service-kit';
import { z } from 'zod';
import { parseRbdJson } from './rbd-json.ts';

/** An answer of `rbd` that does not have its shape. */
export class RbdAnswerError extends SalvorError {
  constructor(what: string, problem: string) {
    super('rbd-answer', `the answer of rbd to '${what}' cannot be used: ${problem}`);
  }
}

/** An unsigned 64-bit number: as text, compared as BigInt. */
const id64 = z.union([z.number().int().min(0), z.string().regex(/^\d{1,20}$/)]).transform((id) => `${id}`);
const uuids = z.array(z.string());

const mirrorNamespaceSchema = z.looseObject({
  type: z.literal('mirror'),
  state: z.enum(['primary', 'non-primary', 'demoted', 'non-primary (demoted)', 'primary (demoted)']),
  mirror_peer_uuids: uuids,
  complete: z.boolean(),
  primary_mirror_uuid: z.string().optional(),
  primary_snap_id: id64.optional(),
  last_copied_object_number: id64.optional(),
});

const snapshotSchema = z.looseObject({
  id: id64,
  name: z.string(),
  size: z.number(),
  timestamp: z.string(),
  namespace: z.looseObject({ type: z.string() }),
});

export type RbdSnapshotKind =
  | { readonly type: 'user' }
  /** Made in this cluster, as the primary. */
  | {
      readonly type: 'own';
      readonly demoted: boolean;
      readonly complete: boolean;
      /** The other side still needs it. */
      readonly withPeer: boolean;
    }
  /** Copied from the primary, or being copied. */
  | {
      readonly type: 'copy';
      readonly demoted: boolean;
      readonly complete: boolean;
      readonly primaryMirrorUuid: string;
      readonly primarySnapId: string;
      readonly copiedObjects: string;
    }
  /** Made by a forced promote: nothing was copied, whatever `complete` says. */
  | { readonly type: 'orphan' }
  /** Trash, groups, and whatever later versions have. */
  | { readonly type: 'other' };

export interface RbdSnapshot {
  readonly id: string;
  readonly name: string;
  /** When it was made in this cluster, Unix milliseconds; null: not readable. */
  readonly at: number | null;
  readonly kind: RbdSnapshotKind;
}

export interface RbdInfo {
  /** Changes with a resync. */
  readonly id: string;
  readonly sizeBytes: number;
  readonly objects: number;
  /** It is a clone that is not flattened. */
  readonly hasParent: boolean;
  /** Null: not mirrored. */
  readonly mirroring: {
    readonly mode: 'snapshot' | 'journal';
    readonly state: 'enabled' | 'disabling';
    readonly primary: boolean;
    readonly globalId: string;
  } | null;
}

export interface RbdReport {
  readonly state: string;
  readonly up: boolean;
  /** The state without `up+` or `down+`. */
  readonly word: string;
  /** Without its JSON members. */
  readonly text: string;
  /** Of the description; empty when it has none, or none that can be read. */
  readonly members: Readonly<Record<string, unknown>>;
  /** Unix milliseconds; null: there was no report yet. */
  readonly at: number | null;
}

export interface RbdImageStatus extends RbdReport {
  readonly peers: readonly (RbdReport & { readonly site: string; readonly mirrorUuid: string })[];
}

export interface RbdPoolInfo {
  readonly siteName: string;
  readonly peers: readonly { readonly site: string; readonly mirrorUuid: string }[];
}

/** `rbd info --format json`. @throws RbdAnswerError */
export function parseRbdInfo(text: string): RbdInfo {
  const found = read('info', infoSchema, text);
  const { mirroring } = found;
  return {
    id: found.id,
    sizeBytes: found.size,
    objects: found.objects,
    hasParent: found.parent !== undefined,
    mirroring:
      mirroring === undefined
        ? null
        : {
            mode: mirroring.mode,
            state: mirroring.state,
            primary: mirroring.primary,
            globalId: mirroring.global_id,
          },
  };
}

/** `rbd snap ls --all --format json`, oldest first. @throws RbdAnswerError */
export function parseRbdSnapshots(text: string): RbdSnapshot[] {
  const list = read('snap ls', z.array(snapshotSchema), text).map(({ id, name, timestamp, namespace }) => ({
    ...{ id, name, at: timeOf(timestamp) },
    kind: kindOf(namespace),
  }));
  return list.sort((a, b) => compareIds(a.id, b.id));
}

/** `rbd mirror image status --format json`. @throws RbdAnswerError */
export function parseRbdStatus(text: string): RbdImageStatus {
  const found = read('mirror image status', statusSchema, text);
  return {
    ...reportOf(found),
    peers: found.peer_sites.map((peer) => ({
      ...{ ...reportOf(peer), site: peer.site_name, mirrorUuid: peer.mirror_uuids },
    })),
  };
}

/** `rbd mirror pool info --format json`. @throws RbdAnswerError */
export function parseRbdPoolInfo(text: string): RbdPoolInfo {
  const { site_name, peers } = read('mirror pool info', poolInfoSchema, text);
  return {
    siteName: site_name,
    peers: peers.map((peer) => ({ site: peer.site_name, mirrorUuid: peer.mirror_uuid })),
  };
}

/** `rbd lock ls --format json`: who holds the image. @throws RbdAnswerError */
export function parseRbdLocks(
  text: string,
): readonly { readonly locker: string; readonly address: string }[] {
  return read('lock ls', z.array(z.looseObject({ locker: z.string(), address: z.string() })), text);
}

/** `rbd mirror image snapshot`: the id of the snapshot that was taken. @throws RbdAnswerError */
export function parseRbdSnapshotId(text: string): string {
  const id = /^Snapshot ID: (\d{1,20})\s*$/.exec(text.trim())?.[1];
  if (id === undefined) throw new RbdAnswerError('mirror image snapshot', `expected 'Snapshot ID: N'`);
  return id;
}

/** Ids of one cluster, the older one first. */
export function compareIds(a: string, b: string): number {
  const [x, y] = [BigInt(a), BigInt(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

const infoSchema = z.looseObject({
  id: z.string().min(1),
  size: z.number().min(0),
  objects: z.number().int().min(0),
  parent: z.unknown().optional(),
  mirroring: z
    .looseObject({
      mode: z.enum(['snapshot', 'journal']),
      state: z.enum(['enabled', 'disabling']),
      global_id: z.string(),
      primary: z.boolean(),
    })
    .optional(),
});

const reportSchema = z.looseObject({
  state: z.string().regex(/^(?:up|down)\+\w+$/, 'expected up+<word> or down+<word>'),
  description: z.string(),
  last_update: z.string(),
});

const statusSchema = reportSchema.extend({
  peer_sites: z.array(reportSchema.extend({ site_name: z.string(), mirror_uuids: z.string() })).default([]),
});

const poolInfoSchema = z.looseObject({
  site_name: z.string(),
  peers: z.array(z.looseObject({ site_name: z.string(), mirror_uuid: z.string() })).default([]),
});

function kindOf(namespace: { readonly type: string }): RbdSnapshotKind {
  if (namespace.type === 'user') return { type: 'user' };
  if (namespace.type !== 'mirror') return { type: 'other' };
  const parsed = mirrorNamespaceSchema.safeParse(namespace);
  if (!parsed.success) throw new RbdAnswerError('snap ls', problemOf(parsed.error));
  const { state, complete, mirror_peer_uuids, primary_mirror_uuid, primary_snap_id } = parsed.data;
  const demoted = state.includes('demoted');
  // The name says where it was made, and so do the members: those of a copy are there on the copying side alone.
  if (primary_mirror_uuid === undefined)
    return { type: 'own', demoted, complete, withPeer: mirror_peer_uuids.length > 0 };
  if (primary_mirror_uuid === '') return { type: 'orphan' };
  if (primary_snap_id === undefined)
    throw new RbdAnswerError('snap ls', 'a copied snapshot has no primary_snap_id');
  return {
    ...{ type: 'copy', demoted, complete },
    ...{ primaryMirrorUuid: primary_mirror_uuid, primarySnapId: primary_snap_id },
    copiedObjects: parsed.data.last_copied_object_number ?? '0',
  };
}

function reportOf({ state, description, last_update }: z.output<typeof reportSchema>): RbdReport {
  const [prefix = '', word = ''] = state.split('+');
  // Cut at the first `, {`: what stands before is text.
  const cut = description.indexOf(', {');
  const text = cut < 0 ? description : description.slice(0, cut);
  return {
    ...{ state, up: prefix === 'up', word, text },
    members: cut < 0 ? {} : membersOf(description.slice(cut + 2)),
    at: last_update === '' ? null : timeOf(`${last_update}Z`.replace(' ', 'T')),
  };
}

function membersOf(text: string): Record<string, unknown> {
  try {
    const found = parseRbdJson(text);
    return typeof found === 'object' && found !== null ? { ...found } : {};
  } catch {
    return {};
  }
}

/** Called with TZ=UTC, `rbd` prints UTC without saying so. */
function timeOf(text: string): number | null {
  const at = Date.parse(text.endsWith('Z') ? text : `${text} UTC`);
  return Number.isNaN(at) ? null : at;
}

function read<S extends z.ZodType>(what: string, schema: S, text: string): z.output<S> {
  let json: unknown;
  try {
    json = parseRbdJson(text);
  } catch {
    throw new RbdAnswerError(what, `expected JSON, found ${JSON.stringify(text.slice(0, 80))}`);
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new RbdAnswerError(what, problemOf(parsed.error));
}

function problemOf({ issues }: z.ZodError): string {
  return issues.map(({ path, message }) => `${path.join('.') || 'the whole'}: ${message}`).join('; ');
}
