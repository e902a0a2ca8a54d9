import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import {
  clusterStorageKey,
  formatClusterStorage,
  openStore,
  parseClusterStorage,
  vdiskNbdKey,
  vdiskStaticKey,
} from '@salvor/config-store';
import { EngineLink, qemuIo, type StackEngine } from '@salvor/testkit';
import { compare, copy, InteropStack, MiB, run } from './interop-stack.ts';
import { place, stockBlocks } from './stock-layout.ts';

const SHARDS = 4;
const VDISK_BYTES = 1024 * MiB;
const BLOCK_SIZES = [512, 4096, 8192, 16_384, 32_768, 65_536];
/** What is compared of a device: its first blocks. Some of them go elsewhere when a server is rip. */
const BLOCKS = 64;

let stack: InteropStack;
before(async () => {
  stack = await InteropStack.start({ primaries: SHARDS, slaves: SHARDS, spares: 0 });
});
after(async () => {
  await stack?.[Symbol.asyncDispose]();
});

test('the placement that these tests expect is the documented one', () => {
  const shards = (rip: number[]): number[] =>
    Array.from({ length: 16 }, (_, index) => place(index, SHARDS, new Set(rip)));
  assert.deepEqual(shards([]), [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]);
  assert.deepEqual(shards([2]), [0, 1, 3, 3, 0, 1, 0, 3, 0, 1, 1, 3, 0, 1, 0, 3]);
});

for (const blockSize of BLOCK_SIZES) testBothWays(blockSize, []);

test('server 2 of both clusters is rip from here on', async () => {
  const store = openStore({ endpoints: stack.healing.stack.etcdEndpoints });
  try {
    for (const cluster of ['p1', 's1']) {
      const key = clusterStorageKey(cluster);
      const { servers: before } = parseClusterStorage((await store.get(key))?.value ?? '');
      const servers = before.map((server, shard) =>
        shard === 2 ? { ...server, state: 'rip' as const, status: 'rip' as const } : server,
      );
      await store.transact({ compare: [], puts: [{ key, value: formatClusterStorage({ servers }) }] });
    }
  } finally {
    store.close();
  }
});

for (const blockSize of [512, 4096, 65_536]) testBothWays(blockSize, [2]);

function testBothWays(blockSize: number, rip: readonly number[]): void {
  const gone = rip.length === 0 ? '' : `, with server ${rip.join(', ')} rip`;
  const name = `${blockSize}-${rip.length}`;

  test(`blocks of ${blockSize} bytes as 0-Disk lays them are served as they are, and left as they are${gone}`, async () => {
    const vdisk = `laid-${name}`;
    const device = new Map<number, Buffer>();
    for (let index = 0; index < BLOCKS; index += 1 + (index % 3)) device.set(index, randomBytes(blockSize));
    device.set(VDISK_BYTES / blockSize - 1, randomBytes(blockSize));
    const laid = stockBlocks(device, SHARDS, new Set(rip));
    for (const engines of bothClusters()) {
      for (const [shard, blocks] of laid.entries()) await lay(engines[shard], vdisk, blocks);
    }
    await configureVdisk(vdisk, blockSize);
    const image = stack.dir.join(`${vdisk}.image`);
    await writeImage(image, device, blockSize);
    const { unix, tcp } = stack.uris(vdisk);
    await compare(image, 'raw', unix, 'raw');
    const back = stack.dir.join(`${vdisk}.back`);
    await copy(tcp, back, '--connections=4');
    await compare(image, 'raw', back, 'raw');
    await assertStored(vdisk, laid);
  });

  test(`what NBD clients write in blocks of ${blockSize} bytes is laid as 0-Disk lays it${gone}`, async () => {
    const vdisk = `written-${name}`;
    await createVdisk(vdisk, blockSize);
    const bytes = randomBytes(BLOCKS * blockSize);
    bytes.fill(0, 5 * blockSize, 9 * blockSize);
    const image = stack.dir.join(`${vdisk}.image`);
    await using file = await open(image, 'w');
    await file.writeFile(bytes);
    const { unix, tcp } = stack.uris(vdisk);
    await copy(image, tcp);
    const odd = 20 * blockSize + 100;
    const [zeroed, last] = [30 * blockSize, VDISK_BYTES - 7];
    await qemuIo(unix, [
      ...[
        `write -P 0x5a ${odd} ${blockSize}`,
        `write -z ${zeroed} ${2 * blockSize}`,
        `write -P 0x77 ${last} 7`,
      ],
      ...[`write -P 0 ${40 * blockSize} ${blockSize}`, `discard ${44 * blockSize} ${blockSize}`, 'flush'],
    ]);
    bytes.fill(0x5a, odd, odd + blockSize).fill(0, zeroed, zeroed + 2 * blockSize);
    for (const block of [40, 44]) bytes.fill(0, block * blockSize, (block + 1) * blockSize);
    const device = new Map<number, Buffer>();
    for (let index = 0; index < BLOCKS; index++) {
      device.set(index, bytes.subarray(index * blockSize, (index + 1) * blockSize));
    }
    device.set(VDISK_BYTES / blockSize - 1, Buffer.alloc(blockSize).fill(0x77, blockSize - 7));
    await assertStored(vdisk, stockBlocks(device, SHARDS, new Set(rip)));
  });
}

function bothClusters(): StackEngine[][] {
  const { primary, slave } = stack.healing.stack.engines;
  return [primary, slave];
}

async function createVdisk(vdisk: string, blockSize: number): Promise<void> {
  const shape = { vdisk, type: 'db', sizeGiB: 1, blockSize } as const;
  await stack.healing.bus.request('vdisk.create', { ...shape, cluster: 'p1', slaveCluster: 's1' });
}

/** As 0-Disk's own tools do it: a command would refuse a vdisk whose blocks are there already. */
async function configureVdisk(vdisk: string, blockSize: number): Promise<void> {
  const store = openStore({ endpoints: stack.healing.stack.etcdEndpoints });
  const shape = { blockSize, size: 1, type: 'db', readOnly: false, templateVdiskID: '' };
  const clusters = { storageClusterID: 'p1', slaveStorageClusterID: 's1' };
  const puts = [
    { key: vdiskStaticKey(vdisk), value: JSON.stringify(shape) },
    { key: vdiskNbdKey(vdisk), value: JSON.stringify(clusters) },
  ];
  await store.transact({ compare: [], puts });
  store.close();
}

async function lay(
  engine: StackEngine | undefined,
  vdisk: string,
  blocks: ReadonlyMap<number, Buffer>,
): Promise<void> {
  assert.ok(engine !== undefined);
  using link = await EngineLink.open(engine.port);
  for (const [index, content] of blocks) await link.send('HSET', `nondedup:${vdisk}`, String(index), content);
}

/** Both clusters hold exactly these blocks, and nothing else. */
async function assertStored(vdisk: string, expected: readonly ReadonlyMap<number, Buffer>[]): Promise<void> {
  for (const engines of bothClusters()) {
    for (const [shard, blocks] of expected.entries()) {
      const engine = engines[shard];
      assert.ok(engine !== undefined);
      const where = `${vdisk} on ${engine.name}`;
      const fields = await run('redis-cli', '-p', String(engine.port), 'HKEYS', `nondedup:${vdisk}`);
      const found = fields.split('\n').filter((field) => field !== '');
      assert.deepEqual(found.map(Number).sort(ascending), [...blocks.keys()].sort(ascending), where);
      assert.deepEqual(
        await digests(engine, vdisk),
        new Map([...blocks].map(([i, b]) => [i, sha256(b)])),
        where,
      );
    }
  }
}

async function digests(engine: StackEngine, vdisk: string): Promise<Map<number, string>> {
  using link = await EngineLink.open(engine.port);
  const reply = await link.sendRaw('HGETALL', `nondedup:${vdisk}`);
  assert.ok(Array.isArray(reply));
  const found: [number, string][] = [];
  for (let i = 0; i + 1 < reply.length; i += 2) {
    const content = reply[i + 1];
    assert.ok(Buffer.isBuffer(content));
    found.push([Number(String(reply[i])), sha256(content)]);
  }
  return new Map(found.sort(([a], [b]) => a - b));
}

async function writeImage(
  path: string,
  device: ReadonlyMap<number, Buffer>,
  blockSize: number,
): Promise<void> {
  await using file = await open(path, 'w');
  await file.truncate(VDISK_BYTES);
  for (const [index, content] of device) await file.write(content, 0, blockSize, index * blockSize);
}

function ascending(a: number, b: number): number {
  return a - b;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
