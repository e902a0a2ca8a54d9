/** Mirrored images by the commands for volumes: two zones with servers of their own, over the model of two Ceph clusters. */

import {
  type ConformanceStage,
  replicationDriverConformance,
  type StageZone,
  untilStatus,
} from '../drivers/driver-conformance.ts';
import { OBJECTS, RbdModel, type Site } from '../drivers/rbd-model.ts';
import { IMAGE, modelCluster } from '../drivers/rbd-stage.ts';
import { BusDriver } from './bus-driver.ts';
import { type RbdBusZone, startRbdZones, VOLUME } from './rbd-bus-stage.ts';

const INTERVAL_MS = 50;
const TICK_MS = 20;
const PASS_MS = 50;

async function start(): Promise<ConformanceStage> {
  const model = new RbdModel();
  model.createImage('north', IMAGE);
  const zones = await startRbdZones(() => (zone) => modelCluster(model, zone), INTERVAL_MS);
  let isParted = false;
  // The daemons work while an order waits for them.
  const daemons = setInterval(() => {
    model.now = Date.now();
    model.tick(3);
  }, TICK_MS);
  const stage: Omit<ConformanceStage, 'north' | 'south'> = {
    ...{ blocks: OBJECTS, mode: 'one-time' },
    pass: () => new Promise((resolve) => setTimeout(resolve, PASS_MS)),
    part: async () => {
      isParted = true;
      model.lose('north');
      zones.cut();
    },
    mend: async () => {
      isParted = false;
      model.bringBack('north');
      zones.mend();
    },
    close: async () => {
      clearInterval(daemons);
      await zones[Symbol.asyncDispose]();
    },
  };
  const at = (zone: RbdBusZone): StageZone => stageZone(zone, model, stage, () => isParted);
  return { ...stage, north: at(zones.north), south: at(zones.south) };
}

function stageZone(
  { name, bus, restart }: RbdBusZone,
  model: RbdModel,
  stage: Pick<ConformanceStage, 'pass'>,
  isParted: () => boolean,
): StageZone {
  const site = name as Site;
  const driver = new BusDriver({
    ...{ bus, volume: VOLUME, image: IMAGE, peerZone: site === 'north' ? 'south' : 'north' },
    follows: site === 'south',
  });
  const image = async (): Promise<string> => (await driver.description()).vdisk.replace(/^vol\//, '');
  const zone: StageZone = {
    ...{ name, driver, restart },
    write: async (object, value) => {
      // Clients of a zone that is lost to the other one write on.
      const isLost = isParted() && site === 'north';
      if (isLost) model.bringBack('north');
      const isWritten = model.write(site, await image().catch(() => IMAGE), object, value);
      if (isLost) model.lose('north');
      return isWritten;
    },
    content: async () => model.content(site, await image().catch(() => IMAGE)) ?? [],
    untilLevel: async () => {
      await untilStatus(stage, zone, ({ status }) => status === 'active - secondary');
    },
  };
  return zone;
}

replicationDriverConformance('rbd by commands, over a model of two Ceph clusters', start);
