import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ownerKey, vdiskTemplateKey } from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import { EngineLink, killEngine, restartWithData, until } from '@salvor/testkit';
import { contentHash } from '../../src/deduped/content-hash.ts';
import { DedupedVdisk } from '../../src/deduped/deduped-vdisk.ts';
import { MapFilling } from '../../src/deduped/map-filling.ts';
import { DataPlane, type Mounted, mountSettings, primary } from '../data-plane.ts';
import { contentOn, sectorsOn, wipe } from './engine-contents.ts';
import { configure, TemplatePlane, template, templateCluster } from './template-plane.ts';

const BLOCK_BYTES = 4096;
const SLOTS = 128;
const BLOCKS = 12;
const from = { vdisk: template, cluster: templateCluster };

let plane: DataPlane;
let templates: TemplatePlane;

/** Blocks of the template, over three sectors. */
const place = (i: number): number => (i % 3) * SLOTS + i;
const original = (i: number): Buffer => Buffer.alloc(BLOCK_BYTES, 0x40 + i);

before(async () => {
  plane = await DataPlane.start();
  templates = await TemplatePlane.start(plane);
  const golden = await plane.mount(template);
  for (let i = 0; i < BLOCKS; i++) await golden.vdisk.device.write(place(i) * BLOCK_BYTES, original(i));
  await golden.vdisk.unmount();
});

after(async () => {
  await templates?.[Symbol.asyncDispose]();
  await plane?.[Symbol.asyncDispose]();
});

async function copiedIn({ vdisk }: Mounted): Promise<void> {
  assert.ok(vdisk.device instanceof DedupedVdisk);
  await vdisk.device.templateCopied();
}

async function hasContent(data: Buffer): Promise<boolean> {
  const hash = contentHash(data).toString('hex');
  for (const engine of plane.primaries) if ((await contentOn(engine)).has(hash)) return true;
  return false;
}

/** Content of earlier tests would stand in for the template's. */
async function forgetOriginals(): Promise<void> {
  const hashes = Array.from({ length: BLOCKS }, (_, i) => contentHash(original(i)));
  for (const engine of [...plane.primaries, ...plane.slaves]) await wipe(engine, hashes);
}

async function assertOriginal({ vdisk }: Mounted, except: readonly number[] = []): Promise<void> {
  for (let i = 0; i < BLOCKS; i++) {
    if (except.includes(i)) continue;
    const found = await vdisk.device.read(place(i) * BLOCK_BYTES, BLOCK_BYTES);
    assert.ok(found.equals(original(i)), `block ${place(i)}`);
  }
}

describe('a boot vdisk made from a template', () => {
  it('reads as the template does, and copies what is read into its own cluster', async () => {
    await forgetOriginals();
    await configure(plane, 'v1', { from });
    const mounted = await plane.mount('v1');
    await assertOriginal(mounted);
    assert.equal(await plane.store.get(vdiskTemplateKey('v1')), null, 'the block map is its own');
    await copiedIn(mounted);
    for (let i = 0; i < BLOCKS; i++) assert.ok(await hasContent(original(i)), `content ${i}`);
    const at = (BLOCKS + 5) * SLOTS * BLOCK_BYTES;
    assert.equal(await mounted.vdisk.device.readStored(at, BLOCK_BYTES), null);
  });

  it('keeps what is written and what is zeroed, also for the next owner, and leaves the template as it is', async () => {
    await forgetOriginals();
    await configure(plane, 'v2', { from });
    const mounted = await plane.mount('v2');
    const changed = Buffer.from(original(1));
    changed.fill(0xee, 100, 200);
    await mounted.vdisk.device.zero(place(0) * BLOCK_BYTES, BLOCK_BYTES);
    await mounted.vdisk.device.write(place(1) * BLOCK_BYTES + 100, Buffer.alloc(100, 0xee));
    await mounted.vdisk.device.write(place(2) * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES));
    // All that the template has in a sector, so that the sector is not stored any more.
    for (let i = 5; i < BLOCKS; i += 3) await mounted.vdisk.device.zero(place(i) * BLOCK_BYTES, BLOCK_BYTES);
    await mounted.vdisk.unmount();
    const next = await plane.mount('v2', 'nbd-2');
    const { device } = next.vdisk;
    assert.equal(await device.readStored(place(0) * BLOCK_BYTES, BLOCK_BYTES), null);
    assert.ok((await device.read(place(1) * BLOCK_BYTES, BLOCK_BYTES)).equals(changed));
    assert.equal(await device.readStored(2 * SLOTS * BLOCK_BYTES, SLOTS * BLOCK_BYTES), null);
    await assertOriginal(next, [0, 1, 2, 5, 8, 11]);
    const golden = await plane.mount(template, 'nbd-2');
    await assertOriginal(golden);
    await golden.vdisk.unmount();
  });

  it('answers with an error, not zeros, while the template is away, and goes on when it is back', async () => {
    await forgetOriginals();
    await configure(plane, 'v3', { from });
    const mounted = await plane.mount('v3');
    await mounted.vdisk.device.write(place(0) * BLOCK_BYTES, original(99));
    await assertOriginal(mounted, [0, ...Array.from({ length: BLOCKS - 2 }, (_, i) => i + 2)]);
    await copiedIn(mounted);
    for (const engine of templates.engines) await killEngine(engine);
    const away = { code: 'template-unavailable', nbdErrno: 5 };
    await assert.rejects(mounted.vdisk.device.read(place(2) * BLOCK_BYTES, 1), away);
    await assert.rejects(mounted.vdisk.device.write(place(2) * BLOCK_BYTES, Buffer.alloc(1)), away);
    const own = await mounted.vdisk.device.read(place(0) * BLOCK_BYTES, BLOCK_BYTES);
    assert.ok(own.equals(original(99)), 'its own blocks are served');
    const copied = await mounted.vdisk.device.read(place(1) * BLOCK_BYTES, BLOCK_BYTES);
    assert.ok(copied.equals(original(1)), 'and those that were copied');
    await mounted.vdisk.device.write(place(3) * BLOCK_BYTES, original(98));
    for (const engine of templates.engines) await restartWithData(engine);
    await assertOriginal(mounted, [0, 3]);
  });

  it('whose template is away from the start is served once it is back', async () => {
    await configure(plane, 'v4', { from });
    for (const engine of templates.engines) await killEngine(engine);
    const mounted = await plane.mount('v4', 'nbd-1', { holdMaxMs: 300 });
    const away = {
      code: 'template-unavailable',
      message: /does not have the block map of its template golden yet/,
    };
    await assert.rejects(mounted.vdisk.device.read(0, 1), away);
    await assert.rejects(mounted.vdisk.device.write(0, Buffer.alloc(1)), away);
    for (const engine of templates.engines) await restartWithData(engine);
    await until(
      () =>
        mounted.vdisk.device.read(0, 1).then(
          () => true,
          () => false,
        ),
      {
        what: 'the block map to be copied',
        timeoutMs: 10_000,
      },
    );
    await assertOriginal(mounted);
  });

  it('is served once its vdisk was taken again, when the lease ran out while the block map was copied', async () => {
    const { store } = plane;
    const lease = await store.grantLease(30);
    let revision = '1';
    let asked = 0;
    const copied = new Set<number>();
    const filling = new MapFilling({
      ...{ store, log: silentLogger, vdisk: 'v8', sectors: 3, template: { ...from, at: 1 } },
      settings: { ...mountSettings, holdMaxMs: 10_000 },
      ownerRevision: () => {
        asked++;
        return revision;
      },
      pairs: () => [],
    });
    try {
      filling.start({ adoptSector: async (sector) => void copied.add(sector) });
      await until(() => asked > 1, { what: 'a second try, without an owner key', timeoutMs: 10_000 });
      assert.equal(filling.isOpen, false);
      const value = JSON.stringify({ server: 'nbd-1', instance: 'run', since: 1 });
      await store.transact({ compare: [], puts: [{ key: ownerKey('v8'), value, lease: lease.id }] });
      revision = (await store.get(ownerKey('v8')))?.createRevision ?? assert.fail();
      await filling.opened();
      assert.deepEqual([filling.isOpen, [...copied].sort()], [true, [0, 1, 2]]);
    } finally {
      filling.end();
      await lease.revoke();
    }
  });

  it('does not take an engine that lost its data for an empty template', async () => {
    const [engine = assert.fail()] = templates.engines;
    await configure(plane, 'v5', { from });
    using link = await EngineLink.open(engine.port);
    const identity = String(await link.send('GET', 'salvor:identity'));
    await link.send('DEL', 'salvor:identity');
    const mounted = await plane.mount('v5', 'nbd-1', { holdMaxMs: 300 });
    await assert.rejects(mounted.vdisk.device.read(0, 1), { message: /expected identity .*, found none/ });
    await link.send('SET', 'salvor:identity', identity);
  });

  it('from a vdisk of the same cluster shares its content without copying any', async () => {
    await configure(plane, 'source');
    const source = await plane.mount('source');
    await source.vdisk.device.write(0, original(50));
    await source.vdisk.unmount();
    await configure(plane, 'v6', { from: { vdisk: 'source', cluster: primary } });
    const mounted = await plane.mount('v6');
    assert.ok((await mounted.vdisk.device.read(0, BLOCK_BYTES)).equals(original(50)));
    const [engine = assert.fail()] = plane.primaries;
    assert.deepEqual(await sectorsOn(engine, 'v6'), await sectorsOn(engine, 'source'));
  });

  it('does away with what an earlier copy of another map left', async () => {
    await configure(plane, 'v7', { from });
    const first = await plane.mount('v7');
    await first.vdisk.device.write(100 * SLOTS * BLOCK_BYTES, original(1));
    await first.vdisk.unmount();
    await configure(plane, 'v7', { from });
    const mounted = await plane.mount('v7', 'nbd-2');
    await assertOriginal(mounted);
    assert.equal(await mounted.vdisk.device.readStored(100 * SLOTS * BLOCK_BYTES, BLOCK_BYTES), null);
  });
});
