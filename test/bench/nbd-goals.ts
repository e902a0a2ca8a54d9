/** What one server reached under one load; see `nbd.ts`. */
interface Reached {
  readonly p50Us: number;
  readonly serverCpuUsPerOp: number;
  readonly ratioToQemuNbd: number;
}

export interface Goal {
  readonly goal: string;
  readonly wanted: string;
  readonly reached: number;
  readonly met: boolean;
}

const PEER = 'qemu-nbd';
const TWO = 'salvor two copies';
const NATIVE = 'salvor volume two copies';
const ONE = 'salvor one copy';

/** What the data plane is meant to reach: rates against qemu-nbd on a raw file in memory, in the same run; CPU by itself. */
export function nbdGoals(results: Readonly<Record<string, Readonly<Record<string, Reached>>>>): Goal[] {
  const of = (load: string, name: string): Reached | undefined => results[load]?.[name];
  const goals: Goal[] = [];
  const add = (goal: string, reached: number | undefined, wanted: number, isMost = false): void => {
    const value = reached ?? Number.NaN;
    const met = isMost ? value <= wanted : value >= wanted;
    goals.push({ goal, wanted: `${isMost ? '<=' : '>='} ${wanted}`, reached: round(value), met });
  };
  const rate = (load: string, name: string, wanted: number): void =>
    add(`${load}, ${name}: rate against ${PEER}`, of(load, name)?.ratioToQemuNbd, wanted);
  const latency = (load: string): void => {
    const [ours, peer] = [of(load, TWO)?.p50Us, of(load, PEER)?.p50Us];
    add(`${load}, ${TWO}: median latency against ${PEER}`, ours && peer && ours / peer, 2, true);
  };
  const cpu = (load: string, wantedUs: number): void =>
    add(`${load}, ${TWO}: CPU of the server, us`, of(load, TWO)?.serverCpuUsPerOp, wantedUs, true);
  rate('read4kQd32', TWO, 1.5);
  rate('write4kQd32', ONE, 1.5);
  rate('write4kQd32', TWO, 1.1);
  latency('read4kQd1');
  latency('write4kQd1');
  for (const name of [TWO, NATIVE]) {
    rate('read1mQd4', name, 1);
    rate('write1mQd4', name, 0.7);
  }
  cpu('read4kQd32', 10);
  cpu('write4kQd32', 18);
  return goals;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
