/** What keeps a vdisk from being served for a while: it is being made, copied, shrunk or removed. */
import { z } from 'zod';
import { recordIn } from '../healing/record-text.ts';
import { vdiskLifecycleKey } from '../keys.ts';
import type { StoreEntry } from '../types.ts';

/**
 * `cloning`: its blocks are still arriving; `deleting`: its blocks are being freed, and its id is not free yet;
 * `resizing`: its end is being looked at, for seconds and under a lease; `clone-source`: it is being copied and must not
 * change, so only a vdisk that is read-only is served meanwhile; `restoring`: blocks of it are lost, and are coming back
 * from the log, or wait for an operator to give them up; `rolling-back`: it is on its way to an earlier state; `exporting`: it is
 * being read into a file, and must not change; `importing`: its id is taken, and its blocks are still arriving from a file;
 * `secondary`: it is the copy of a volume whose primary is in another zone, and only what keeps it in step writes to it.
 */
export const lifecycleStates = [
  'cloning',
  'deleting',
  'resizing',
  'clone-source',
  'restoring',
  'rolling-back',
  'exporting',
  'importing',
  'secondary',
] as const;
export type LifecycleState = (typeof lifecycleStates)[number];

/** `/salvor/vdisks/<id>/lifecycle`; most vdisks have none. */
export const vdiskLifecycleSchema = z.looseObject({
  state: z.enum(lifecycleStates),
  /** The operations it is for; several only where they read alone. Of `restoring`: the recovery. */
  operations: z.array(z.string().min(1)).min(1),
  at: z.number().int().min(0),
  /** Of `restoring`: the attempt of the recovery. */
  attempt: z.number().int().min(1).optional(),
  /** Of `restoring`: by shard whose engine was stale, its last batch before anything was written back. */
  stale: z.record(z.string(), z.number().int().min(0)).optional(),
  /** Of `restoring`: the operation that was rolling the vdisk back when its blocks were lost; it goes on afterwards. */
  rollback: z.string().min(1).optional(),
  /** Of `restoring`: what no log can bring back, which an operator has to give up by these very numbers. */
  lost: z.looseObject({ blocks: z.number().int().min(0), reason: z.string() }).optional(),
});
export type VdiskLifecycle = z.infer<typeof vdiskLifecycleSchema>;

/**
 * Who wants to mount: for clients, to repair it without any, to bring its blocks back from the log, or to carry out an
 * operation on it.
 */
export type MountPurpose = 'clients' | 'repair' | 'restore' | { readonly operation: string };

/** Why the vdisk must not be mounted now, or null. A repair changes nothing that a reader could see. Pure. */
export function lifecycleHindrance(
  vdisk: string,
  { lifecycle, readOnly }: { lifecycle: VdiskLifecycle | null; readOnly: boolean },
  purpose: MountPurpose,
): {
  code:
    | 'being-cloned'
    | 'being-deleted'
    | 'being-exported'
    | 'being-imported'
    | 'being-resized'
    | 'being-restored'
    | 'being-rolled-back'
    | 'clone-source'
    | 'secondary';
  reason: string;
} | null {
  if (lifecycle === null) return null;
  const { state, operations } = lifecycle;
  const names = operations.join(', ');
  if (typeof purpose === 'object' && operations.includes(purpose.operation)) return null;
  switch (state) {
    case 'cloning': {
      const reason = `vdisk ${vdisk} is not complete: operation ${names} is still cloning it`;
      return purpose === 'repair' ? null : { code: 'being-cloned', reason };
    }
    case 'importing': {
      const reason = `vdisk ${vdisk} is not complete: operation ${names} is still importing it`;
      return purpose === 'repair' ? null : { code: 'being-imported', reason };
    }
    case 'exporting': {
      const reason = `vdisk ${vdisk} is being exported by operation ${names}, and must not change until that ends; cancel the operation to use it at once`;
      return purpose === 'repair' ? null : { code: 'being-exported', reason };
    }
    case 'clone-source': {
      const reason = `vdisk ${vdisk} is being cloned by operation ${names}, and may only be used read-only until that ends; cancel the operation to use it at once`;
      return purpose === 'repair' || readOnly ? null : { code: 'clone-source', reason };
    }
    case 'resizing':
      return { code: 'being-resized', reason: `vdisk ${vdisk} is being resized; try again in a few seconds` };
    case 'restoring': {
      const what =
        lifecycle.lost === undefined
          ? `recovery ${names} is bringing its blocks back from the log`
          : `${lifecycle.lost.blocks} blocks of it are lost (${lifecycle.lost.reason}); 'salvor dr accept-loss' gives them up`;
      const reason = `vdisk ${vdisk} is not complete: ${what}`;
      // A repair would write to a stale engine before it is noted which batch it has; who restores repairs as well.
      const isNoted = lifecycle.stale !== undefined || lifecycle.lost !== undefined;
      return purpose === 'restore' || (purpose === 'repair' && isNoted)
        ? null
        : { code: 'being-restored', reason };
    }
    case 'rolling-back': {
      const reason = `vdisk ${vdisk} is on its way to an earlier state: operation ${names} rolls it back; cancel it to have the present one`;
      return purpose === 'repair' ? null : { code: 'being-rolled-back', reason };
    }
    case 'secondary': {
      const reason = `vdisk ${vdisk} is the secondary copy of a volume (${names}), and takes no writes: read it through a clone of an earlier state ('salvor vdisk clone --at'), or promote the volume ('salvor volume promote')`;
      return purpose === 'repair' ? null : { code: 'secondary', reason };
    }
    case 'deleting':
      return {
        code: 'being-deleted',
        reason: `vdisk ${vdisk} is deleted; operation ${names} is freeing what it held`,
      };
  }
}

/** What a vdisk is once the blocks are back that it had lost, or are given up: a rollback that was under way goes on. Pure. */
export function lifecycleAfterRestore(
  { rollback }: Pick<VdiskLifecycle, 'rollback'>,
  at: number,
): VdiskLifecycle | null {
  return rollback === undefined ? null : { state: 'rolling-back', operations: [rollback], at };
}

/** The lifecycle of a vdisk among entries that were read; null when it has none. Throws ConfigValueError. */
export function lifecycleIn(
  entries: ReadonlyMap<string, StoreEntry | null>,
  vdisk: string,
): VdiskLifecycle | null {
  return recordIn(entries, vdiskLifecycleKey(vdisk), vdiskLifecycleSchema);
}
