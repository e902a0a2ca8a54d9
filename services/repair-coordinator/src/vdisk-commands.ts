import type { CommandHandlers } from '@salvor/bus';
import {
  type ConfigStore,
  cloneVdisk,
  createVdisk,
  deleteVdisk,
  readTlog,
  readVdisk,
  removeOrphan,
  resizeVdisk,
  vdiskNbdKey,
  vdiskStaticKey,
} from '@salvor/config-store';
import { accepted, isRepeat } from './command-replies.ts';
import type { Announce } from './commands.ts';
import { readCluster } from './descriptions.ts';
import { exportHandlers } from './export-commands.ts';
import { findOrphans } from './orphans.ts';
import { pointInTimeHandlers, pointOf } from './point-in-time-commands.ts';
import { beginScrub } from './scrub-begin.ts';
import { lookBeyond } from './shrink-look.ts';
import { policyOf } from './tlog/tlog-commands.ts';
import type { TlogLogs } from './tlog/tlog-logs.ts';
import { assertNoBlocks, type EngineAccess } from './vdisk-blocks.ts';
import { type AskServer, describeVdisk, describeVdisks } from './vdisk-description.ts';
import { clustersIn } from './vdisk-places.ts';

export interface VdiskCommandsOptions {
  readonly store: ConfigStore;
  readonly access: EngineAccess;
  readonly announce: Announce;
  readonly askServer: AskServer;
  readonly logs: TlogLogs;
}

const by = 'command';

/** The commands about the life of vdisks. */
export function vdiskCommandHandlers({
  store,
  access,
  announce,
  askServer,
  logs,
}: VdiskCommandsOptions): CommandHandlers {
  return {
    'vdisk.create': async ({ operationId: _, ...request }, { operationId: operation }) => {
      const { slaveCluster, templateVdisk, tlog, ...rest } = request;
      const wanted = {
        ...rest,
        ...(slaveCluster === undefined ? {} : { slaveCluster }),
        ...(templateVdisk === undefined ? {} : { templateVdisk }),
        ...(tlog === undefined ? {} : { tlog: policyOf(tlog) }),
      };
      const clusters = [request.cluster, ...(slaveCluster === undefined ? [] : [slaveCluster])];
      const isNew = (await store.get(vdiskNbdKey(request.vdisk))) === null;
      if (isNew && !(await isRepeat(store, operation))) {
        await assertNoBlocks(store, request.vdisk, clusters, access);
      }
      const tlogPlace = tlog === undefined ? {} : { tlogPlace: await logs.placeOf(request.vdisk) };
      const result = await createVdisk(store, wanted, { operation, by: 'command', ...tlogPlace });
      if (result.outcome === 'applied') {
        const { vdisk, type, sizeGiB, blockSize, cluster } = request;
        const more = slaveCluster === undefined ? {} : { slaveCluster };
        const created = {
          vdisk,
          type,
          sizeGiB,
          blockSize,
          cluster,
          ...more,
          operation,
          by: 'command',
          at: Date.now(),
        };
        announce('vdisk.created', created, `${operation}-created`);
      }
      return accepted(result, { vdisk: request.vdisk });
    },
    'vdisk.resize': async ({ vdisk, sizeGiB, force }, { operationId: operation }) => {
      const result = await resizeVdisk(
        store,
        { vdisk, sizeGiB, force },
        { operation, by, lookBeyond: (shape) => lookBeyond(store, access, vdisk, shape, sizeGiB) },
      );
      return accepted(result, { vdisk, sizeGiB });
    },
    'vdisk.clone': async ({ operationId: _, ...request }, { operationId: operation }) => {
      const { source, vdisk, cluster, slaveCluster } = request;
      const at = pointOf(request);
      const wanted = {
        ...{ source, vdisk },
        ...(at === null ? {} : { at }),
        ...(cluster === undefined ? {} : { cluster }),
        ...(slaveCluster === undefined ? {} : { slaveCluster }),
      };
      const isNew = (await store.get(vdiskStaticKey(vdisk))) === null;
      if (isNew && !(await isRepeat(store, operation))) {
        const stored = await readVdisk(store, source);
        const own = stored === null ? [] : clustersIn(stored.nbd);
        const named = [cluster, slaveCluster].filter((name) => name !== undefined);
        // Where a cluster is unknown, the decision says so better.
        const clusters = (named.length === 0 ? own : named).filter((name) => name !== '');
        const known = await Promise.all(clusters.map((name) => readCluster(store, name).catch(() => null)));
        if (known.every((one) => one !== null)) await assertNoBlocks(store, vdisk, clusters, access);
      }
      return accepted(await cloneVdisk(store, wanted, { operation, by }), { vdisk });
    },
    ...pointInTimeHandlers(store),
    ...exportHandlers(store, access),
    'vdisk.scrub': async ({ operationId: _, ...request }, { operationId: operation }) =>
      accepted(await beginScrub(store, request, operation), { vdisk: request.vdisk }),
    'vdisk.delete': async ({ vdisk }, { operationId: operation }) => {
      const nbd = await store.get(vdiskNbdKey(vdisk));
      // What is deleted need not be readable.
      const recorded = vdisk === '' ? null : await readTlog(store, vdisk).catch(() => null);
      const result = await deleteVdisk(store, vdisk, { operation, by });
      if (result.outcome === 'applied') {
        const [cluster = '', slaveCluster] = nbd === null ? [] : clustersIn(nbd.value);
        const more = slaveCluster === undefined ? {} : { slaveCluster };
        const deleted = { vdisk, cluster, ...more, operation, by, at: Date.now() };
        announce('vdisk.deleted', deleted, `${operation}-deleted`);
        if (recorded !== null) await logs.letGo(vdisk, recorded.config.container);
      }
      return accepted(result, { vdisk });
    },
    'vdisk.list': async ({ cluster }) => {
      if (cluster !== undefined) await readCluster(store, cluster);
      return { vdisks: await describeVdisks(store, cluster) };
    },
    'vdisk.describe': async ({ vdisk }) => ({ vdisk: await describeVdisk(store, vdisk, access, askServer) }),
    'vdisk.orphans': async ({ cluster }) => findOrphans(store, cluster, access),
    'vdisk.delete-orphan': async ({ cluster, vdisk, confirm }, { operationId: operation }) =>
      accepted(await removeOrphan(store, { cluster, vdisk, confirm }, { operation, by }), { vdisk }),
  };
}
