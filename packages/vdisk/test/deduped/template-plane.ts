import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createCluster,
  formatRecord,
  formatVdiskNbd,
  formatVdiskStatic,
  vdiskNbdKey,
  vdiskStaticKey,
  vdiskTemplateKey,
  vdiskTemplateSchema,
} from '@salvor/config-store';
import { type RedisHandle, startRedis } from '@salvor/testkit';
import { EngineControl } from '../../src/index.ts';
import { type DataPlane, primary, slave } from '../data-plane.ts';

export const templateCluster = 't1';
export const template = 'golden';

/** A further cluster beside the data plane's own, with another number of engines, for templates. */
export class TemplatePlane implements AsyncDisposable {
  readonly engines: readonly RedisHandle[];
  readonly #dir: string;

  private constructor(engines: readonly RedisHandle[], dir: string) {
    this.engines = engines;
    this.#dir = dir;
  }

  static async start(plane: DataPlane, shards = 3): Promise<TemplatePlane> {
    const dir = mkdtempSync(join(tmpdir(), 'salvor-template-'));
    const engines = await Promise.all(
      Array.from({ length: shards }, (_, i) => startRedis({ dir: join(dir, `${i}`) })),
    );
    for (const [shard, { address }] of engines.entries()) {
      await EngineControl.with({ address, db: 0, timeoutMs: 2_000 }, (control) =>
        control.claim(
          { cluster: templateCluster, role: 'primary', shard, generation: 1 },
          { mustBeEmpty: true },
        ),
      );
    }
    await createCluster(
      plane.store,
      {
        cluster: templateCluster,
        role: 'primary',
        engines: engines.map(({ address }) => ({ address, db: 0 })),
        spares: [],
      },
      { operation: 'create-templates', by: 'test' },
    );
    await configure(plane, template, { cluster: templateCluster });
    return new TemplatePlane(engines, dir);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.engines.map(({ process }) => process.kill()));
    rmSync(this.#dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Configures a boot vdisk; with `from` it is to get the block map of that template. */
export async function configure(
  plane: DataPlane,
  vdisk: string,
  options: { cluster?: string; from?: { vdisk: string; cluster: string } } = {},
): Promise<void> {
  const { cluster = primary, from } = options;
  const shape = { blockSize: 4096, size: 1, type: 'boot', readOnly: false } as const;
  const nbd = {
    storageClusterID: cluster,
    templateStorageClusterID: from?.cluster ?? '',
    slaveStorageClusterID: cluster === primary && plane.slaves.length > 0 ? slave : '',
    tlogServerClusterID: '',
  };
  const key = vdiskTemplateKey(vdisk);
  await plane.store.transact({
    compare: [],
    puts: [
      {
        key: vdiskStaticKey(vdisk),
        value: formatVdiskStatic({ ...shape, templateVdiskID: from?.vdisk ?? '' }),
      },
      { key: vdiskNbdKey(vdisk), value: formatVdiskNbd(nbd) },
      ...(from === undefined
        ? []
        : [{ key, value: formatRecord(vdiskTemplateSchema, key, { ...from, at: Date.now() }) }]),
    ],
  });
}
