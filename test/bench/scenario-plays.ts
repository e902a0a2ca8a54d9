import { renameSync } from 'node:fs';
import { join } from 'node:path';
import {
  EngineLink,
  killEngine,
  restartEmpty,
  restartFromSnapshot,
  restartWithData,
  type StackEngine,
  snapshotEngine,
  until,
} from '@salvor/testkit';
import type { ScenarioScene } from './scenario-stage.ts';

const WAIT_MS = 60_000;

type Play = (scene: ScenarioScene) => Promise<void>;

const why = { reason: 'a bench', by: 'bench' };

/** It dies, misses writes, and comes back with what it had. */
export const temporarily =
  (role: 'primary' | 'slave'): Play =>
  async (scene) => {
    const engine = scene.stack.engine(role, 0);
    await scene.strikes(() => killEngine(engine));
    await scene.servesAgain(engine);
    await scene.isKnown(engine);
    await scene.stage.fill();
    await scene.ends(() => restartWithData(engine));
    await scene.heals();
  };

/** It comes back without anything: a spare takes its place, or its blocks are spread. */
export const forGood =
  (role: 'primary' | 'slave', shard: number, end: 'replaced' | 'rip'): Play =>
  async (scene) => {
    const engine = scene.stack.engine(role, shard);
    await scene.strikes(() => restartEmpty(engine));
    await scene.isKnown(engine);
    await scene.servesAgain(engine);
    if (end === 'rip') await scene.untilStatus(engine, 'rip');
    await scene.heals();
  };

export const hangs: Play = async (scene) => {
  const engine = scene.stack.engine('primary', 0);
  await scene.strikes(() => engine.process.pause());
  await scene.servesAgain(engine);
  await scene.isKnown(engine);
  await scene.ends(() => engine.process.resume());
  await scene.heals();
};

export const isSlow: Play = async (scene) => {
  const engine = scene.stack.engine('slave', 0);
  const before = (await scene.healing.transitions()).length;
  using link = await EngineLink.open(engine.port);
  await scene.strikes(async () => {
    // Each answers when the pause before it is over.
    for (let pauses = 0; pauses < 12; pauses++) await link.send('CLIENT', 'PAUSE', '200', 'ALL');
  });
  await scene.servesAgain(engine);
  scene.servedWithin();
  const after = (await scene.healing.transitions()).length;
  if (after !== before) throw new Error('a slow engine was taken out');
  scene.msToFullRedundancy = 0;
};

export const loads: Play = async (scene) => {
  const engine = scene.stack.engine('primary', 1);
  const { args, ready = () => true } = engine.process.spec;
  {
    using link = await EngineLink.open(engine.port);
    await Promise.all(Array.from({ length: 4_000 }, () => link.send('INCR', 'loaded-slowly')));
  }
  await scene.strikes(() => killEngine(engine));
  await scene.servesAgain(engine);
  await scene.isKnown(engine);
  const slowly = ['--key-load-delay', '400', '--loading-process-events-interval-bytes', '1024'];
  await scene.ends(() => engine.process.start({ args: [...args, ...slowly], ready: () => true }));
  await scene.heals();
  const { msToServeAgain, msToFullRedundancy } = scene;
  await scene.strikes(() => killEngine(engine));
  await scene.isKnown(engine);
  await engine.process.start({ args, ready });
  await scene.heals();
  Object.assign(scene, { msToServeAgain, msToFullRedundancy });
};

/** It answers, and takes no writes. */
export const refuses =
  (
    begin: (engine: StackEngine) => Promise<unknown>,
    end: (engine: StackEngine) => Promise<unknown>,
    at: readonly ['primary' | 'slave', number],
  ): Play =>
  async (scene) => {
    const engine = scene.stack.engine(...at);
    await scene.strikes(() => begin(engine));
    await scene.isKnown(engine);
    await scene.servesAgain(engine);
    scene.servedWithin();
    await scene.ends(() => end(engine));
    await scene.heals();
  };

/** Two engines answer in each other's place. */
export const isAnother: Play = async (scene) => {
  const [first, second] = [scene.stack.engine('primary', 0), scene.stack.engine('primary', 1)];
  const swap = async (): Promise<void> => {
    for (const engine of [first, second]) if (engine.process.running) await killEngine(engine);
    renameSync(first.dataDir, `${first.dataDir}.aside`);
    renameSync(second.dataDir, first.dataDir);
    renameSync(`${first.dataDir}.aside`, second.dataDir);
    for (const engine of [first, second]) await engine.process.start();
  };
  await scene.strikes(swap);
  for (const engine of [first, second]) {
    await scene.servesAgain(engine);
    await scene.isKnown(engine);
  }
  await scene.ends(swap);
  await scene.heals();
};

export const losesLastWrites: Play = async (scene) => {
  const engine = scene.stack.engine('primary', 1);
  const saved = join(scene.stack.options.dir, 'saved-aof');
  const note = (): boolean => {
    snapshotEngine(engine, saved);
    return true;
  };
  await until(note, { what: 'the engine is noted', timeoutMs: WAIT_MS });
  await scene.wrote(50);
  await scene.strikes(() => restartFromSnapshot(engine, saved));
  await scene.isKnown(engine);
  await scene.servesAgain(engine);
  await scene.heals();
};

/** The engine is back and under repair: most of what it holds was written meanwhile. */
async function underRepair(scene: ScenarioScene): Promise<StackEngine> {
  const engine = scene.stack.engine('primary', 0);
  await scene.strikes(() => killEngine(engine));
  await scene.isKnown(engine);
  await scene.stage.fill();
  await restartWithData(engine);
  await scene.untilStatus(engine, 'repair-tmp-outage');
  return engine;
}

export const failsAgain: Play = async (scene) => {
  const engine = await underRepair(scene);
  await scene.strikes(() => killEngine(engine));
  await scene.untilStatus(engine, 'offline');
  await scene.servesAgain(engine);
  await scene.ends(() => restartWithData(engine));
  await scene.heals();
};

export const ownerDiesInRepair: Play = async (scene) => {
  const engine = await underRepair(scene);
  await scene.strikes(() => scene.healing.server.kill());
  await scene.servesAgain(engine);
  await scene.heals();
};

export const coordinatorDiesInRepair: Play = async (scene) => {
  const engine = await underRepair(scene);
  const coordinator = scene.stack.service('repair-coordinator');
  await scene.strikes(() => coordinator.kill('SIGKILL'));
  await scene.servesAgain(engine);
  await scene.heals();
  await coordinator.start();
};

export const spareFails: Play = async (scene) => {
  const engine = scene.stack.engine('primary', 0);
  const spare = async (): Promise<string | undefined> => {
    const { cluster } = await scene.healing.bus.request('cluster.get', { cluster: 'p1' });
    return cluster.engines[0]?.replacement?.address;
  };
  const untilSpare = async (isMeant: (address: string) => boolean, what: string): Promise<string> => {
    let found = '';
    const isThere = async (): Promise<boolean> => {
      found = (await spare()) ?? '';
      return found !== '' && isMeant(found);
    };
    await until(isThere, { what, timeoutMs: WAIT_MS });
    return found;
  };
  await scene.strikes(() => restartEmpty(engine));
  const first = await untilSpare(() => true, 'a spare takes its place');
  await scene.strikes(() => killEngine(scene.stack.engineAt(first)));
  await scene.servesAgain(engine);
  await untilSpare((address) => address !== first, 'another spare takes its place');
  await scene.heals();
};

export const bothDown: Play = async (scene) => {
  const [first, last] = [scene.stack.engine('primary', 1), scene.stack.engine('slave', 1)];
  await scene.strikes(() => killEngine(first));
  await scene.isKnown(first);
  await scene.servesAgain(first);
  await killEngine(last);
  await scene.isKnown(last);
  await restartWithData(first);
  scene.msToServeAgain = null;
  await scene.returns(() => restartWithData(last));
  await scene.servesAgain(first);
  await scene.heals();
};

export const withoutSlaves: Play = async (scene) => {
  const engine = scene.stack.engine('primary', 0);
  await scene.strikes(() => killEngine(engine));
  await scene.isKnown(engine);
  await scene.returns(() => restartWithData(engine));
  await scene.servesAgain(engine);
  await scene.heals();
};

export const unmounted: Play = async (scene) => {
  const engine = scene.stack.engine('primary', 0);
  await scene.load.stop();
  await until(async () => (await scene.stage.owner()) === undefined, {
    what: 'the vdisk is given back',
    timeoutMs: WAIT_MS,
  });
  await scene.strikes(() => killEngine(engine));
  await scene.isKnown(engine);
  await scene.ends(() => restartWithData(engine));
  await scene.heals();
};

export const serverCrashes: Play = async (scene) => {
  const engine = scene.stack.engine('primary', 0);
  await scene.strikes(() => scene.healing.server.kill());
  await scene.servesAgain(engine);
  await scene.heals();
};

export const isTakenOut: Play = async (scene) => {
  const engine = scene.stack.engine('primary', 1);
  const { address } = engine;
  await scene.strikes(() => scene.healing.bus.request('engine.take-offline', { address, ...why }));
  await scene.servesAgain(engine);
  await scene.isKnown(engine);
  await scene.stage.fill();
  await scene.ends(() => scene.healing.bus.request('engine.bring-online', { address, ...why }));
  await scene.heals();
};

/** @param failures after so many it is held */
export const flaps =
  (failures: number): Play =>
  async (scene) => {
    const engine = scene.stack.engine('primary', 0);
    const held = async (): Promise<string | undefined> => {
      const { incidents } = await scene.healing.bus.request('incident.list', { all: false });
      return incidents.find((one) => one.address === engine.address && one.hold !== undefined)?.incident;
    };
    for (let i = 1; i <= failures; i++) {
      await scene.strikes(() => killEngine(engine));
      await scene.servesAgain(engine);
      await scene.isKnown(engine);
      await engine.process.start();
      if (i < failures) await scene.heals();
    }
    await until(async () => (await held()) !== undefined, { what: 'it is held', timeoutMs: WAIT_MS });
    const incident = (await held()) ?? '';
    await scene.healing.bus.request('incident.acknowledge', { incident, ...why });
    await scene.heals();
    scene.staysWithOperator();
  };
