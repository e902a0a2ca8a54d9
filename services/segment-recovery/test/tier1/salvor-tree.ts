/** A Tier-2 as Salvor archives it, without the services that do: configurations, and the chunks of logs. */
import {
  clusterStorageKey,
  formatClusterStorage,
  formatVdiskNbd,
  formatVdiskStatic,
  installationKey,
  tlogArchivedKey,
  tlogConfigKey,
  tlogStateKey,
  vdiskNbdKey,
  vdiskStaticKey,
} from '@salvor/config-store';
import { containerOf, type TlogSegment } from '@salvor/contracts';
import { blockChecksum, ChunkBuilder, openDirectoryStore, putConfiguration, VdiskChunks } from '@salvor/tlog';

const CONTAINERS = 4;
const BLOCK = 512;
const AT = 1_700_000_000_000;

export interface SalvorTree {
  readonly root: string;
  readonly vdisks: number;
  /** Revision of etcd when the newest configuration was stored; older ones are one below each. */
  readonly revision: number;
  readonly configurations: number;
  /** Chunks a vdisk, and segments a chunk. */
  readonly chunks: number;
  readonly segments: number;
}

export function vdiskName(index: number): string {
  return `v${String(index).padStart(4, '0')}`;
}

/** What etcd had at each configuration, newest first. */
export function configurationsOf({
  vdisks,
  chunks,
  segments,
  configurations,
}: SalvorTree): ReadonlyMap<string, string>[] {
  const engine = (port: number) =>
    ({ address: `127.0.0.1:${port}`, db: 0, state: 'rip', status: 'rip', generation: 1 }) as const;
  const to = chunks * segments;
  return Array.from({ length: configurations }, (_, age) => {
    const entries = new Map<string, string>([
      [installationKey, JSON.stringify({ id: 'tree', at: AT })],
      [clusterStorageKey('p1'), formatClusterStorage({ servers: [engine(1), engine(2)] })],
    ]);
    // Of each age one vdisk less.
    for (let i = 0; i < vdisks - age; i++) {
      const vdisk = vdiskName(i);
      const place = { container: containerOf(vdisk, CONTAINERS), containers: CONTAINERS };
      entries.set(
        vdiskStaticKey(vdisk),
        formatVdiskStatic({
          blockSize: 4096,
          size: 1 + (i % 3),
          type: 'db',
          readOnly: false,
          templateVdiskID: '',
        }),
      );
      entries.set(
        vdiskNbdKey(vdisk),
        formatVdiskNbd({
          storageClusterID: 'p1',
          slaveStorageClusterID: '',
          templateStorageClusterID: '',
          tlogServerClusterID: '',
        }),
      );
      entries.set(
        tlogConfigKey(vdisk),
        JSON.stringify({
          ...place,
          policy: 'block',
          enabledBy: 'op',
          at: AT,
          begins: { number: 0, sequence: 0 },
        }),
      );
      entries.set(
        tlogStateKey(vdisk),
        JSON.stringify({ status: 'whole', reason: 'it is', since: AT, sequence: 1 }),
      );
      entries.set(
        tlogArchivedKey(vdisk),
        JSON.stringify({ number: to, sequence: to, chunks, bytes: 1, at: AT }),
      );
    }
    return entries;
  });
}

/** When a configuration was stored; of age 0 is the newest one. */
export function configuredAt(age: number): number {
  return AT + 10_000 - age;
}

export async function writeSalvorTree(tree: SalvorTree): Promise<void> {
  const store = await openDirectoryStore({ root: tree.root });
  const configurations = configurationsOf(tree);
  for (const [age, entries] of [...configurations.entries()].reverse())
    await putConfiguration(
      store,
      { revision: String(tree.revision - age), at: configuredAt(age), entries: [...entries] },
      true,
    );
  for (let i = 0; i < tree.vdisks; i++) {
    const vdisk = vdiskName(i);
    const chunks = new VdiskChunks(store, containerOf(vdisk, CONTAINERS), vdisk);
    for (let chunk = 0; chunk < tree.chunks; chunk++) {
      const from = chunk * tree.segments + 1;
      const builder = new ChunkBuilder(vdisk, from);
      for (let number = from; number < from + tree.segments; number++) builder.add(segmentOf(vdisk, number));
      await chunks.write(builder.finish());
    }
  }
  await store.close();
}

/** One record each. */
function segmentOf(vdisk: string, number: number): TlogSegment {
  const data = Buffer.alloc(BLOCK, `${vdisk} ${number};`);
  return {
    ...{
      vdisk,
      number,
      epoch: 7,
      generation: 0,
      kind: 'writes',
      name: '',
      first: number,
      base: 1,
      blockSize: BLOCK,
    },
    ...{ firstAt: AT + number, lastAt: AT + number, positions: [{ shard: 0, batch: number }] },
    records: [{ sequence: number, block: number % 7, length: BLOCK, checksum: blockChecksum(data) }],
    data,
  };
}
