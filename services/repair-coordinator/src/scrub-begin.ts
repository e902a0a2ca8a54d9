import { type BegunOperation, beginOperation, type ConfigStore, readVdisk } from '@salvor/config-store';
import { SalvorError } from '@salvor/service-kit';

export interface ScrubRequest {
  readonly vdisk: string;
  readonly repair: boolean;
  readonly prefer?: string | undefined;
  readonly bandwidthMiBs?: number | undefined;
}

/**
 * Records a scrub; the server that owns the vdisk takes it up.
 *
 * @throws SalvorError when the vdisk has no two copies that could be compared, or the request makes no sense
 */
export async function beginScrub(
  store: ConfigStore,
  { vdisk, repair, prefer, bandwidthMiBs }: ScrubRequest,
  operation: string,
): Promise<BegunOperation> {
  if (prefer !== undefined && prefer !== 'primary' && prefer !== 'slave')
    throw new SalvorError('bad-request', `prefer: expected primary or slave, found ${prefer}`);
  if (bandwidthMiBs !== undefined && bandwidthMiBs < 0)
    throw new SalvorError('bad-request', `bandwidthMiBs: expected 0 or more, found ${bandwidthMiBs}`);
  const stored = await readVdisk(store, vdisk);
  if (stored === null) throw new SalvorError('unknown-vdisk', `there is no vdisk ${vdisk}`);
  if (stored.nbd.slaveStorageClusterID === '')
    throw new SalvorError('no-second-copy', `vdisk ${vdisk} has no slave cluster: there is one copy of it`);
  if (stored.static.type === 'boot') {
    const what = 'its blocks are shared content, of which a scrub of one vdisk would see the names only';
    throw new SalvorError('unsupported-type', `vdisk ${vdisk} is of type boot: ${what}`);
  }
  const request = {
    vdisk,
    repair,
    ...(prefer === undefined ? {} : { prefer }),
    ...(bandwidthMiBs === undefined ? {} : { bandwidthMiBs }),
  };
  const message = `both copies of vdisk ${vdisk} are being compared`;
  return beginOperation(store, { operation, kind: 'vdisk.scrub', request, subject: vdisk, message });
}
