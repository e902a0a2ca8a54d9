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
import { contentHash } from '../../src/deduped/content-hash.ts';
import { DataPlane, type Mounted, primary } from '../data-plane.ts';
import { contentOn, sectorsOn } from './engine-contents.ts';

const BLOCK_BYTES = 512;
const SECTOR_BYTES = 4096;
const SHARDS = 4;

/** A deduped vdisk as it lies in four engines. */
interface LayoutVector {
  readonly vdisk: string;
  readonly rip: readonly number[];
  readonly thenZeroed: readonly number[];
  readonly writes: readonly { index: number; content: string; sha256: string }[];
  readonly engines: readonly {
    /** Hash as hex -> SHA-256 of the value. */
    readonly content?: Record<string, string>;
    /** Sector number -> its SHA-256 and the slots that are not zero. */
    readonly lba?: Record<string, { sha256: string; slots: Record<string, string> }>;
  }[];
}

/** Our own, made with another implementation of the hash and the placement, and those that 0-Disk made, where they are there. */
const stockFile = join(import.meta.dirname, '../../../../../shared/fixtures/0disk/layout.json');
const ownFile = join(import.meta.dirname, '../vectors/layout-deduped.json');
const vectors = [ownFile, ...(existsSync(stockFile) ? [stockFile] : [])]
  .flatMap((file) => JSON.parse(readFileSync(file, 'utf8')) as LayoutVector[])
  .filter(({ engines }) => engines.some(({ content }) => content !== undefined));

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

async function mountAs(name: string, { rip }: LayoutVector): Promise<Mounted> {
  const servers = plane.primaries.map(({ address }, shard): ServerEntry => {
    const state = rip.includes(shard) ? 'rip' : 'online';
    return { address, db: 0, state, status: state, generation: 1 };
  });
  const shape = {
    blockSize: BLOCK_BYTES,
    size: 1,
    type: 'boot',
    readOnly: false,
    templateVdiskID: '',
  } as const;
  const nbd = {
    storageClusterID: primary,
    templateStorageClusterID: '',
    slaveStorageClusterID: '',
    tlogServerClusterID: '',
  };
  await plane.store.transact({
    compare: [],
    puts: [
      { key: clusterStorageKey(primary), value: formatClusterStorage({ servers }) },
      { key: vdiskStaticKey(name), value: formatVdiskStatic(shape) },
      { key: vdiskNbdKey(name), value: formatVdiskNbd(nbd) },
    ],
  });
  return plane.mount(name);
}

/** Removes content of earlier tests, so that what lies on the engines is of one vdisk. */
async function dropContent(): Promise<void> {
  for (const engine of plane.primaries) {
    using link = await EngineLink.open(engine.port);
    for (const hash of (await contentOn(engine)).keys()) await link.send('DEL', Buffer.from(hash, 'hex'));
  }
}

async function foundOn(shard: number, name: string): Promise<object> {
  const engine = plane.primaries[shard] ?? assert.fail(`no engine ${shard}`);
  const contents = [...(await contentOn(engine))].map(([hash, value]) => [hash, sha256(value)]);
  const sectors = [...(await sectorsOn(engine, name))].map(([number, value]) => [
    String(number),
    sha256(value),
  ]);
  return { content: Object.fromEntries(contents), lba: Object.fromEntries(sectors) };
}

function expectedOf({ engines }: LayoutVector, shard: number): object {
  const { content = {}, lba = {} } = engines[shard] ?? {};
  return {
    content,
    lba: Object.fromEntries(Object.entries(lba).map(([sector, { sha256: digest }]) => [sector, digest])),
  };
}

function sectorOf(slots: Record<string, string>): Buffer {
  const sector = Buffer.alloc(SECTOR_BYTES);
  for (const [slot, hash] of Object.entries(slots)) Buffer.from(hash, 'hex').copy(sector, Number(slot) * 32);
  return sector;
}

describe('the deduped layout on the engines', () => {
  it('names content by BLAKE2b-256', () => {
    const known = new Map([
      [0, '0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8'],
      [4096, '686ede9288c391e7e05026e56f2f91bfd879987a040ea98445dabc76f55b8e5f'],
    ]);
    for (const [length, hash] of known) assert.equal(contentHash(Buffer.alloc(length)).toString('hex'), hash);
  });

  for (const vector of vectors) {
    it(`of ${vector.vdisk} is written as 0-Disk writes it`, async () => {
      await dropContent();
      const name = `${vector.vdisk}-written`;
      const { vdisk } = await mountAs(name, vector);
      for (const { index, content, sha256: digest } of vector.writes) {
        const data = contentOf(content);
        assert.equal(sha256(data), digest);
        await vdisk.device.write(index * BLOCK_BYTES, data);
      }
      for (const index of vector.thenZeroed)
        await vdisk.device.write(index * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES));
      for (let shard = 0; shard < SHARDS; shard++)
        assert.deepEqual(await foundOn(shard, name), expectedOf(vector, shard), `engine ${shard}`);
      await vdisk.unmount();
    });

    it(`of ${vector.vdisk} is served as 0-Disk left it, and left as it is`, async () => {
      await dropContent();
      const name = `${vector.vdisk}-stock`;
      const contents = new Map(
        vector.writes.map(({ content }) => [
          contentHash(contentOf(content)).toString('hex'),
          contentOf(content),
        ]),
      );
      for (const [shard, { port }] of plane.primaries.entries()) {
        using link = await EngineLink.open(port);
        const { content = {}, lba = {} } = vector.engines[shard] ?? {};
        for (const hash of Object.keys(content))
          await link.send('SET', Buffer.from(hash, 'hex'), contents.get(hash) ?? assert.fail(hash));
        for (const [sector, { slots }] of Object.entries(lba))
          await link.send('HSET', `lba:${name}`, sector, sectorOf(slots));
      }
      const { vdisk } = await mountAs(name, vector);
      for (const { index, content } of vector.writes) {
        const wanted = vector.thenZeroed.includes(index) ? Buffer.alloc(BLOCK_BYTES) : contentOf(content);
        const found = await vdisk.device.read(index * BLOCK_BYTES, BLOCK_BYTES);
        assert.ok(found.equals(wanted), `block ${index}`);
      }
      await vdisk.unmount();
      for (let shard = 0; shard < SHARDS; shard++)
        assert.deepEqual(await foundOn(shard, name), expectedOf(vector, shard), `engine ${shard}`);
    });
  }
});
