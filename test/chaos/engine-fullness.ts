import { EngineLink, runTool, type StackEngine } from '@salvor/testkit';

/**
 * Every write of the engine to its log fails from now on, as on a full disk: by the limit on the size of its files
 * (setrlimit(2)), which needs no privilege.
 */
export async function fillDisk(engine: StackEngine): Promise<void> {
  await limitFiles(engine, '1');
}

export async function emptyDisk(engine: StackEngine): Promise<void> {
  await limitFiles(engine, 'unlimited');
}

/** The engine refuses everything that takes memory. */
export async function fillMemory(engine: StackEngine): Promise<void> {
  await setMaxMemory(engine, 1);
}

export async function emptyMemory(engine: StackEngine): Promise<void> {
  await setMaxMemory(engine, 0);
}

async function limitFiles({ process, name }: StackEngine, bytes: string): Promise<void> {
  if (process.pid === undefined) throw new Error(`engine ${name} does not run`);
  const limit = `--fsize=${bytes}:unlimited`;
  await runTool('prlimit', ['--pid', String(process.pid), limit], { timeoutMs: 10_000 });
}

async function setMaxMemory({ port }: StackEngine, bytes: number): Promise<void> {
  using link = await EngineLink.open(port);
  await link.send('CONFIG', 'SET', 'maxmemory', bytes);
}
