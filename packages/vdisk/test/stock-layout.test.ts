import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  clusterStorageKey,
  formatClusterStorage,
  formatVdiskNbd,
  formatVdiskStatic,
  type ServerEntry,
  vdiskNbdKey,
  vdiskStaticKey,
} from '@salvor/config-store';
import { EngineLink } from '@salvor/testkit';
import { blocksOn, DataPlane, type Mounted, primary } from './data-plane.ts';

const BLOCK_BYTES = 512;
const SHARDS = 4;

/** A vdisk as 0-Disk's own servers left it in four engines. */
interface LayoutVector {
  readonly vdisk: string;
  readonly rip: readonly number[];
  readonly thenZeroed: readonly number[];
  readonly writes: readonly { index: number; content: string; sha256: string }[];
  /** By engine: key -> field -> SHA-256 of the value. */
  readonly engines: readonly Record<string, Record<string, string>>[];
}

/** The vectors that 0-Disk made, where they are there; else the placement of a few blocks, which its documents state. */
const stockFile = join(import.meta.dirname, '../../../../shared/fixtures/0disk/layout.json');
const ownFile = join(import.meta.dirname, 'vectors/layout.json');
const isReduced = !existsSync(stockFile);
const read: unknown = JSON.parse(readFileSync(isReduced ? ownFile : stockFile, 'utf8'));
const vectors = (read as LayoutVector[]).filter(({ vdisk }) => vdisk.startsWith('nd'));

/** 16 times the SHA-256 of `<tag>:<index>:<n>`, as the vectors' README says. */
function contentOf(content: string): Buffer {
  return Buffer.concat(
    Array.from({ length: 16 }, (_, n) => createHash('sha256').update(`${content}:${n}`).digest()),
  );
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

let plane: DataPlane;

before(async () => {
  plane = await DataPlane.start({ shards: SHARDS, hasSlave: false });
});

after(async () => {
  await plane?.[Symbol.asyncDispose]();
});

/** Configures and mounts the vdisk of a vector, under a name of its own, on a cluster with the vector's `rip` engines. */
async function mountAs(name: string, { rip }: LayoutVector): Promise<Mounted> {
  const servers = plane.primaries.map(({ address }, shard): ServerEntry => {
    const gone = rip.includes(shard);
    const state = gone ? 'rip' : 'online';
    return { address, db: 0, state, status: state, generation: 1 };
  });
  const puts = [
    { key: clusterStorageKey(primary), value: formatClusterStorage({ servers }) },
    {
      key: vdiskStaticKey(name),
      value: formatVdiskStatic({
        blockSize: BLOCK_BYTES,
        size: 1,
        type: 'db',
        readOnly: false,
        templateVdiskID: '',
      }),
    },
    {
      key: vdiskNbdKey(name),
      value: formatVdiskNbd({
        storageClusterID: primary,
        templateStorageClusterID: '',
        slaveStorageClusterID: '',
        tlogServerClusterID: '',
      }),
    },
  ];
  await plane.store.transact({ compare: [], puts });
  return plane.mount(name);
}

function expectedOf({ vdisk, engines }: LayoutVector, shard: number): Record<string, string> {
  return engines[shard]?.[`nondedup:${vdisk}`] ?? {};
}

async function foundOn(shard: number, name: string): Promise<Record<string, string>> {
  const engine = plane.primaries[shard] ?? assert.fail(`no engine ${shard}`);
  return Object.fromEntries(
    [...(await blocksOn(engine, name))].map(([block, data]) => [block, sha256(data)]),
  );
}

describe('the layout on the engines', () => {
  for (const vector of vectors) {
    it(`of ${vector.vdisk} is written as 0-Disk writes it`, async (t) => {
      if (isReduced) t.diagnostic(`reduced: ${stockFile} is not there, only ${ownFile} is compared`);
      const name = `${vector.vdisk}-written`;
      const { vdisk } = await mountAs(name, vector);
      for (const { index, content, sha256: digest } of vector.writes) {
        const data = contentOf(content);
        assert.equal(sha256(data), digest);
        await vdisk.device.write(index * BLOCK_BYTES, data);
      }
      for (const index of vector.thenZeroed) {
        await vdisk.device.write(index * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES));
      }
      for (let shard = 0; shard < SHARDS; shard++) {
        assert.deepEqual(await foundOn(shard, name), expectedOf(vector, shard), `engine ${shard}`);
      }
      await vdisk.unmount();
    });

    it(`of ${vector.vdisk} is served as 0-Disk left it, and left as it is`, async () => {
      const name = `${vector.vdisk}-stock`;
      const contents = new Map(
        vector.writes.map(({ index, content }) => [String(index), contentOf(content)]),
      );
      for (const [shard, { port }] of plane.primaries.entries()) {
        using link = await EngineLink.open(port);
        for (const field of Object.keys(expectedOf(vector, shard))) {
          await link.send('HSET', `nondedup:${name}`, field, contents.get(field) ?? assert.fail(field));
        }
      }
      const { vdisk } = await mountAs(name, vector);
      for (const { index, content } of vector.writes) {
        const wanted = vector.thenZeroed.includes(index) ? Buffer.alloc(BLOCK_BYTES) : contentOf(content);
        assert.ok(
          (await vdisk.device.read(index * BLOCK_BYTES, BLOCK_BYTES)).equals(wanted),
          `block ${index}`,
        );
      }
      for (let shard = 0; shard < SHARDS; shard++) {
        assert.deepEqual(await foundOn(shard, name), expectedOf(vector, shard), `engine ${shard}`);
      }
      await vdisk.unmount();
    });
  }
});
