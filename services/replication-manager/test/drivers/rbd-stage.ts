/** Drivers in two zones over the model of two Ceph clusters. */
import type { RbdVolumeRecord } from '@salvor/config-store';
import { RbdDriver, type RbdRecordStore } from '../../src/drivers/rbd/rbd-driver.ts';
import type { RbdZoneCluster } from '../../src/rbd-volumes/rbd-clusters.ts';
import { type ConformanceStage, type StageZone, untilStatus } from './driver-conformance.ts';
import { OBJECTS, RbdModel, type Site } from './rbd-model.ts';

export const IMAGE = 'img';

export function modelCluster(model: RbdModel, zone: string): RbdZoneCluster {
  const exec = model.exec(zone as Site);
  return { exec, looks: exec, pool: 'vol' };
}

/** Etcd of one zone, as far as a record needs it. */
export class MemoryRecords implements RbdRecordStore {
  record: RbdVolumeRecord | null = null;
  revision = 0;
  /** Called before each write; what it throws ends the process. */
  beforeWrite: () => void = () => {};

  async read(): Promise<{ record: RbdVolumeRecord; revision: string } | null> {
    return this.record === null
      ? null
      : { record: structuredClone(this.record), revision: `${this.revision}` };
  }

  async write(record: RbdVolumeRecord, revision: string): Promise<string | null> {
    this.beforeWrite();
    const expected = this.record === null ? 'absent' : `${this.revision}`;
    if (revision !== expected) return null;
    this.record = structuredClone(record);
    return `${++this.revision}`;
  }
}

export class RbdStage implements ConformanceStage {
  readonly model = new RbdModel();
  readonly records: Record<Site, MemoryRecords> = { north: new MemoryRecords(), south: new MemoryRecords() };
  readonly blocks: number = OBJECTS;
  readonly mode = 'periodic' as const;
  readonly north: RbdStageZone;
  readonly south: RbdStageZone;
  /** Objects that a daemon copies in one pass. */
  pace = 3;
  isParted = false;

  constructor() {
    this.model.createImage('north', IMAGE);
    this.north = new RbdStageZone(this, 'north');
    this.south = new RbdStageZone(this, 'south');
  }

  async pass(): Promise<void> {
    this.model.tick(this.pace);
  }

  async part(): Promise<void> {
    this.isParted = true;
    this.model.lose('north');
  }

  async mend(): Promise<void> {
    this.isParted = false;
    this.model.bringBack('north');
  }

  async close(): Promise<void> {}
}

export class RbdStageZone implements StageZone {
  readonly name: Site;
  readonly #stage: RbdStage;
  #driver: RbdDriver;

  constructor(stage: RbdStage, name: Site) {
    this.#stage = stage;
    this.name = name;
    this.#driver = this.#start();
  }

  get driver(): RbdDriver {
    return this.#driver;
  }

  async restart(): Promise<void> {
    this.#driver = this.#start();
  }

  async write(object: number, value: number): Promise<boolean> {
    // Clients of a zone that is lost to the other one write on.
    const { model, isParted } = this.#stage;
    const isLost = isParted && this.name === 'north';
    if (isLost) model.bringBack('north');
    const isWritten = model.write(this.name, this.#image, object, value);
    if (isLost) model.lose('north');
    return isWritten;
  }

  async content(): Promise<readonly number[]> {
    return this.#stage.model.content(this.name, this.#image) ?? [];
  }

  async untilLevel(): Promise<void> {
    await untilStatus(this.#stage, this, ({ status }) => status === 'active - secondary');
  }

  get #image(): string {
    return this.#stage.records[this.name].record?.image ?? IMAGE;
  }

  #start(): RbdDriver {
    const peer = this.name === 'north' ? 'south' : 'north';
    const { model, records } = this.#stage;
    return new RbdDriver({
      ...{ volume: 'vol1', pool: 'vol', image: IMAGE, zone: this.name, peerZone: peer },
      ...{ exec: model.exec(this.name), peerExec: model.exec(peer), records: records[this.name] },
      peerRecord: async () => {
        if (this.#stage.isParted) throw new Error('the other zone does not answer');
        return (await records[peer].read())?.record ?? null;
      },
      now: () => model.now,
    });
  }
}
