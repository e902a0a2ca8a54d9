import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { nbdinfo, until, within } from '@salvor/testkit';
import { MiB } from './interop-stack.ts';

const READY_TIMEOUT_MS = 30_000;
const END_TIMEOUT_MS = 30_000;

/** Another NBD server whose disk is our export. */
export interface Front extends AsyncDisposable {
  readonly uri: string;
  /** Where in our export its disk begins. */
  readonly offset: number;
  /** Ends it in peace: what it has cached is written. */
  end(): Promise<void>;
}

type Through = 'qemu-nbd' | 'qemu-storage-daemon' | 'nbdkit' | 'nbdkit, one connection';

/** Starts the program on a unix socket, with our export behind it. */
export async function passedOn(through: Through, ours: string, socket: string): Promise<Front> {
  rmSync(socket, { force: true });
  const [program, ...args] = commandOf(through, ours, socket);
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  const exited = once(child, 'exit');
  const uri = `nbd+unix:///${through === 'qemu-storage-daemon' ? 'front' : ''}?socket=${socket}`;
  const end = async (): Promise<void> => {
    child.kill('SIGTERM');
    await within(exited, END_TIMEOUT_MS, `the end of ${program}`);
  };
  try {
    await until(() => nbdinfo(uri), { what: `${program} serves ${ours}`, timeoutMs: READY_TIMEOUT_MS });
  } catch (error) {
    child.kill('SIGKILL');
    throw new Error(`${program} ${args.join(' ')}: ${said}`, { cause: error });
  }
  return { uri, offset: through === 'nbdkit' ? 64 * MiB : 0, end, [Symbol.asyncDispose]: end };
}

function commandOf(through: Through, ours: string, socket: string): [string, ...string[]] {
  const { hostname, port, pathname, searchParams } = new URL(ours);
  switch (through) {
    case 'qemu-nbd':
      return ['qemu-nbd', '-f', 'raw', '-k', socket, '-t', '-e', '4', '--discard=unmap', ours];
    case 'qemu-storage-daemon':
      return [
        'qemu-storage-daemon',
        '--blockdev',
        `driver=nbd,node-name=ours,discard=unmap,server.type=inet,server.host=${hostname},server.port=${port},export=${pathname.slice(1)}`,
        ...['--nbd-server', `addr.type=unix,addr.path=${socket},max-connections=4`],
        ...['--export', 'type=nbd,id=front,node-name=ours,name=front,writable=on'],
      ];
    case 'nbdkit':
      return [
        ...(['nbdkit', '-f', '-U', socket, '--filter=fua', '--filter=offset'] as const),
        ...['nbd', ours, `offset=${64 * MiB}`, `range=${8 * MiB}`, 'fuamode=force'],
      ];
    case 'nbdkit, one connection': {
      const at = searchParams.get('socket');
      const where = at === null ? [`hostname=${hostname}`, `port=${port}`] : [`socket=${at}`];
      return ['nbdkit', '-f', '-U', socket, 'nbd', ...where, `export=${pathname.slice(1)}`, 'shared=true'];
    }
  }
}
