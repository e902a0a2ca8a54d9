import type { CommandHandlers } from '@salvor/bus';
import { type ConfigStore, exportPath, exportVdisk, importVdisk, vdiskStaticKey } from '@salvor/config-store';
import { accepted, isRepeat } from './command-replies.ts';
import { readCluster } from './descriptions.ts';
import { pointOf } from './point-in-time-commands.ts';
import { assertNoBlocks, type EngineAccess } from './vdisk-blocks.ts';

const by = 'command';

/** The commands that write vdisks to files, and make vdisks from them; the tlog-replayer carries them out. */
export function exportHandlers(store: ConfigStore, access: EngineAccess): CommandHandlers {
  return {
    'vdisk.export': async ({ vdisk, file, ...at }, { operationId: operation }) => {
      const point = pointOf(at);
      const request = { vdisk, path: exportPath(file), ...(point === null ? {} : { point }) };
      return accepted(await exportVdisk(store, request, { operation, by }), { vdisk });
    },
    'vdisk.import': async ({ file, vdisk, cluster, slaveCluster }, { operationId: operation }) => {
      const path = exportPath(file);
      const isNew = (await store.get(vdiskStaticKey(vdisk))) === null;
      if (isNew && vdisk !== '' && !(await isRepeat(store, operation))) {
        const named = [cluster, slaveCluster].filter((name) => name !== undefined && name !== '');
        // Where a cluster is unknown, the decision says so better.
        const known = await Promise.all(
          named.map((name) => readCluster(store, name ?? '').catch(() => null)),
        );
        if (known.every((one) => one !== null))
          await assertNoBlocks(
            store,
            vdisk,
            named.filter((name) => name !== undefined),
            access,
          );
      }
      const request = { path, vdisk, cluster, ...(slaveCluster === undefined ? {} : { slaveCluster }) };
      return accepted(await importVdisk(store, request, { operation, by }), { vdisk });
    },
  };
}
