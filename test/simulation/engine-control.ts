/** What the product's `EngineControl` does: short connections that are not for blocks. */
import { type EngineIdentity, identityText } from '../../packages/vdisk/src/engine-keys.ts';
import type { ProbeFinding } from '../../packages/vdisk/src/engine-probe.ts';
import { EngineError, FencedError } from '../../packages/vdisk/src/errors.ts';
import type { Engine } from './engine.ts';
import { type Flow, wait } from './flow.ts';
import type { Process } from './scheduler.ts';
import { ask, assertIdentity, assertServes, CONNECT_TIMEOUT_MS } from './session.ts';
import type { World } from './world.ts';

const CONTROL = { timeoutMs: CONNECT_TIMEOUT_MS };

/** Raises the epoch, only upwards, on the engine that is who it should be. */
export function* raiseEpoch(
  world: World,
  process: Process,
  engine: Engine,
  identity: EngineIdentity,
  vdisk: number,
  epoch: string,
): Flow<void> {
  yield* wait(
    ask(
      world,
      process,
      engine,
      () => {
        assertServes(world, engine);
        assertIdentity(engine, identity);
        const current = engine.shard(vdisk).epoch;
        if (current !== null && Number(current) > Number(epoch))
          throw new FencedError(`${engine.address} has epoch ${current}, ours is ${epoch}`);
        if (current !== epoch) engine.setEpoch(vdisk, epoch);
      },
      CONTROL,
    ),
  );
}

/** The identity that an engine has now, null for none. */
export function* identityOf(world: World, process: Process, engine: Engine): Flow<string | null> {
  const asked = (): string | null => {
    assertServes(world, engine);
    return engine.identity;
  };
  return yield* wait(ask(world, process, engine, asked, CONTROL));
}

/** Makes an empty engine `identity`. */
export function* claimIdentity(
  world: World,
  process: Process,
  engine: Engine,
  identity: EngineIdentity,
): Flow<void> {
  yield* wait(
    ask(
      world,
      process,
      engine,
      () => {
        assertServes(world, engine);
        const wanted = identityText(identity);
        if (engine.identity === wanted) return;
        if (engine.identity !== null || !engine.isEmpty)
          throw new EngineError(
            'identity-mismatch',
            `${engine.address} is ${engine.identity ?? 'not empty'}`,
          );
        engine.setIdentity(wanted);
      },
      CONTROL,
    ),
  );
}

/** Looks at an engine the way its users do. */
export function* probeEngine(
  world: World,
  process: Process,
  engine: Engine,
  identity: string | null,
): Flow<ProbeFinding> {
  const at = (): number => world.wallOf(process);
  try {
    return yield* wait(
      ask(
        world,
        process,
        engine,
        (): ProbeFinding => {
          const detail = engine.address;
          if (engine.loadingUntil > world.scheduler.now) return { kind: 'loading', detail, at: at() };
          if (identity !== null && engine.identity !== identity)
            return {
              kind: engine.identity === null ? 'identity-lost' : 'identity-mismatch',
              detail,
              at: at(),
            };
          return { kind: 'healthy', detail, at: at() };
        },
        CONTROL,
      ),
    );
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const kind = error.fault === 'timeout' ? 'hung' : 'unreachable';
    return { kind, detail: error.message, at: at() };
  }
}
