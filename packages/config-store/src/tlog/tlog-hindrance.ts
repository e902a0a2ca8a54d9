/** Why a vdisk of this type cannot have a log; null: it can. */
export function tlogHindrance(vdisk: string, type: string): string | null {
  return type === 'boot'
    ? `vdisk ${vdisk} is of type boot, whose blocks are shared content: it cannot have a transaction log yet`
    : null;
}
