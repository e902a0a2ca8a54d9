import {
  killEngine,
  type ManagedProcess,
  restartEmpty,
  restartWithData,
  type Stack,
  type StackEngine,
  TestkitError,
  until,
} from '@salvor/testkit';
import { cutTail } from '../history/faults.ts';
import { emptyDisk, emptyMemory, fillDisk, fillMemory } from './engine-fullness.ts';
import type { ChaosLines, Disturbance } from './lines.ts';
import type { PlannedFault } from './plan.ts';

/** Brings back what a fault broke. */
export type Repair = () => Promise<void>;

/** A fault with its target, ready to be carried out. */
export interface ReadyFault {
  /** What is hit, in words. */
  readonly target: string;
  /** Processes that are killed or stopped: one fault at a time has them. */
  readonly processes: readonly string[];
  readonly begin: () => Promise<Repair>;
}

export interface FaultSurroundings {
  readonly stack: Stack;
  readonly lines: ChaosLines;
  /** Called when the process of an NBD server is gone for certain. */
  readonly serverGone: (name: string) => void;
}

/** What an engine may lose of the end of its log. */
const TAIL_MAX_BYTES = 1 << 20;
const READY_TIMEOUT_MS = 60_000;

/** A fault of an engine, one of a pair. `takesData`: afterwards the engine may lack something that it had. */
export function engineFault(
  { kind, side, amount }: PlannedFault,
  engines: readonly [StackEngine, StackEngine],
  { lines }: FaultSurroundings,
): (ReadyFault & { takesData: boolean }) | null {
  const engine = engines[side];
  const target = engine.name;
  const own = { target, processes: [target], takesData: false };
  const nothing = { ...own, processes: [] };
  const lost = { ...own, takesData: true };
  const disturbed = (state: Disturbance) => ({
    ...nothing,
    begin: async () => asRepair(lines.disturb(lines.to(target), state)),
  });
  const killed = (bringBack: Repair) => async () => {
    await killEngine(engine);
    return bringBack;
  };
  switch (kind) {
    case 'engine-killed':
      return { ...own, begin: killed(() => restartWithData(engine)) };
    case 'engine-emptied':
      return { ...lost, begin: killed(() => restartEmpty(engine)) };
    case 'engine-tail-lost':
      return {
        ...lost,
        begin: killed(async () => {
          cutTail(engine, 1 + Math.floor(amount * TAIL_MAX_BYTES));
          await restartWithData(engine);
        }),
      };
    case 'engine-paused':
      return { ...own, begin: async () => paused(engine.process) };
    case 'engine-cut':
      return disturbed('cut');
    case 'engine-silent':
      return disturbed('silent');
    case 'engine-mute':
      return disturbed('mute');
    case 'engine-disk-full':
      // What it answered while its log could not be written is gone if it is killed then.
      return { ...lost, begin: () => begun(fillDisk(engine), () => emptyDisk(engine)) };
    case 'engine-memory-full':
      return { ...own, begin: () => begun(fillMemory(engine), () => emptyMemory(engine)) };
    case 'pair-killed':
      return {
        ...own,
        target: engines.map(({ name }) => name).join(' and '),
        processes: engines.map(({ name }) => name),
        begin: async () => {
          await Promise.all(engines.map((one) => killEngine(one)));
          return () => eachOf(engines, restartWithData);
        },
      };
    default:
      return null;
  }
}

/** A fault between one NBD server and one engine: all others see the engine well. */
export function linkFault(
  { kind, side, index }: PlannedFault,
  engines: readonly [StackEngine, StackEngine],
  { stack, lines }: FaultSurroundings,
): ReadyFault {
  const server = pick(stack.nbdServers, index).name;
  const engine = engines[side].name;
  const state = kind === 'link-cut' ? 'cut' : kind === 'link-silent' ? 'silent' : 'mute';
  const ends = async (): Promise<Repair> => asRepair(lines.disturb(lines.between(server, engine), state));
  return { target: `${server} to ${engine}`, processes: [], begin: ends };
}

/** A fault of a server or a service. */
export function serviceFault(
  { kind, index, amount }: PlannedFault,
  { stack, lines, serverGone }: FaultSurroundings,
): ReadyFault {
  const [who, what] = kind.split(/-(.*)/) as [string, string];
  const without = what.startsWith('without-') ? what.slice('without-'.length) : null;
  const state: Disturbance = amount < 0.5 ? 'cut' : 'silent';
  if (who === 'server') {
    const server = pick(stack.nbdServers, index);
    const { name } = server;
    if (without !== null) return apart(lines, name, without, state);
    return {
      target: name,
      processes: [name],
      begin: async () => {
        await until(() => server.identity() !== null, { what: `${name} runs`, timeoutMs: READY_TIMEOUT_MS });
        if (what === 'paused') {
          server.pause();
          return async () => server.resume();
        }
        await server.kill('SIGKILL');
        serverGone(name);
        return async () => undefined;
      },
    };
  }
  const [name, process] = partOf(who, index, stack);
  if (without === 'engines') {
    // An observer that sees no engine at all has no line of its own: that of everybody is what it uses.
    return {
      target: `${name}, and all who have no line of their own`,
      processes: [],
      begin: async () =>
        asRepair(
          lines.disturb(
            enginesOf(stack).flatMap((engine) => lines.between('all', engine.name)),
            state,
          ),
        ),
    };
  }
  if (without !== null) return apart(lines, name, without, state);
  const begin = async (): Promise<Repair> => {
    if (what === 'paused') return paused(process);
    await process.kill('SIGKILL');
    return () => process.start();
  };
  return { target: name, processes: [name], begin };
}

function partOf(who: string, index: number, stack: Stack): [name: string, process: ManagedProcess] {
  if (who === 'etcd') return [who, stack.etcd.process];
  if (who === 'nats') return [who, stack.nats.process];
  const prefix = { coordinator: 'repair-coordinator', analyzer: 'health-analyzer', watcher: 'log-watcher' }[
    who
  ];
  const replicas = [...stack.services].filter(([name]) => prefix !== undefined && name.startsWith(prefix));
  return pick(replicas, index);
}

function enginesOf({ engines: { primary, slave, spares } }: Stack): StackEngine[] {
  return [...primary, ...slave, ...spares];
}

function apart(lines: ChaosLines, from: string, to: string, state: Disturbance): ReadyFault {
  const begin = async (): Promise<Repair> => asRepair(lines.disturb(lines.between(from, to), state));
  return { target: `${from} to ${to}`, processes: [], begin };
}

function paused(process: ManagedProcess): Repair {
  process.pause();
  return async () => process.resume();
}

async function begun(fault: Promise<void>, bringBack: Repair): Promise<Repair> {
  await fault;
  return bringBack;
}

function asRepair(end: () => void): Repair {
  return async () => end();
}

async function eachOf<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  await Promise.all(all.map(work));
}

function pick<T>(all: readonly T[], index: number): T {
  const one = all[index % all.length];
  if (one === undefined) throw new TestkitError('not-running', 'the stack has none of these to break');
  return one;
}
