import { EngineFaultDriver, nbdcopy, qemuImg, runTool, type TempDir, tempDir } from '@salvor/testkit';
import { HealingStack } from '../e2e/healing-stack.ts';

export const MiB = 1 << 20;
const TOOL_TIMEOUT_MS = 60_000;
const FAULT_TIMEOUT_MS = 90_000;

/** A whole stack with the questions that tests of foreign NBD programs ask, and a folder for their files. */
export class InteropStack implements AsyncDisposable {
  readonly healing: HealingStack;
  readonly dir: TempDir;

  private constructor(healing: HealingStack, dir: TempDir) {
    this.healing = healing;
    this.dir = dir;
  }

  static async start(options: Parameters<typeof HealingStack.start>[0] = {}): Promise<InteropStack> {
    return new InteropStack(await HealingStack.start(options), tempDir('interop'));
  }

  /** The export over both transports: a unix socket and TCP. */
  uris(vdisk: string): { unix: string; tcp: string } {
    return { unix: this.healing.server.unixUri(vdisk), tcp: this.healing.server.uri(vdisk) };
  }

  faults(seed: number): EngineFaultDriver {
    const { stack, bus } = this.healing;
    return new EngineFaultDriver({ stack, bus, seed, faults: ['kill', 'kill', 'pause', 'stutter', 'lose'] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.healing[Symbol.asyncDispose]();
    this.dir.remove();
  }
}

/** Runs a program to its end; its stdout. Error `tool-failed`, with what it printed. */
export async function run(program: string, ...args: string[]): Promise<string> {
  return (await runTool(program, args, { timeoutMs: TOOL_TIMEOUT_MS })).stdout;
}

/** nbdcopy with options. */
export async function copy(from: string, to: string, ...args: string[]): Promise<void> {
  await nbdcopy(from, to, { args, timeoutMs: TOOL_TIMEOUT_MS });
}

/** Succeeds when both hold the same; trailing zeros of the larger one do not count. */
export async function compare(a: string, aFormat: string, b: string, bFormat: string): Promise<void> {
  await qemuImg(['compare', '-f', aFormat, '-F', bFormat, a, b], { timeoutMs: TOOL_TIMEOUT_MS });
}

/** Runs `work` again and again until a fault has come and healed meanwhile: never on a stack that is only healthy. */
export async function throughAFault(driver: EngineFaultDriver, work: () => Promise<void>): Promise<void> {
  const healed = driver.healed;
  const endsAt = performance.now() + FAULT_TIMEOUT_MS;
  while (driver.healed === healed) {
    if (performance.now() > endsAt) throw new Error(`no fault has come and healed in ${FAULT_TIMEOUT_MS} ms`);
    await work();
    if (driver.failure !== null) throw driver.failure;
  }
}
