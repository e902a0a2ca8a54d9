import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import { ManagedProcess, NbdClient, parseNbdUri, type TempDir } from '@salvor/testkit';

/** `nbdkit memory` on a unix socket: the reference peer for our client. */
export function startNbdkit(dir: TempDir, args: readonly string[] = ['memory', '16M']) {
  const socket = dir.join('nbdkit.sock');
  const uri = `nbd+unix:///?socket=${socket}`;
  return startPeer(dir, 'nbdkit', ['-f', '-U', socket, ...args], uri);
}

/** `qemu-nbd` over a raw file, export 'disk'. */
export function startQemuNbd(dir: TempDir, sizeBytes = 16 << 20) {
  const file = dir.join('disk.raw');
  writeFileSync(file, '');
  truncateSync(file, sizeBytes);
  const socket = dir.join('qemu.sock');
  const args = ['-k', socket, '-x', 'disk', '-f', 'raw', '-t', '-e', '8', file];
  return startPeer(dir, 'qemu-nbd', args, `nbd+unix:///disk?socket=${socket}`);
}

async function startPeer(dir: TempDir, program: string, args: readonly string[], uri: string) {
  const process = await ManagedProcess.start({
    name: program,
    command: program,
    args,
    logFile: dir.join(`${program}.log`),
    ready: async () => {
      const client = await NbdClient.connect(uri);
      await client.disconnect();
      return true;
    },
  });
  return {
    process,
    uri,
    /** Neither peer starts over the socket that its last run left behind. */
    restart: async () => {
      await process.stop();
      rmSync(parseNbdSocket(uri), { force: true });
      await process.start();
    },
  };
}

function parseNbdSocket(uri: string): string {
  const target = parseNbdUri(uri);
  if (target.kind !== 'unix') throw new Error(`expected a unix socket, found ${uri}`);
  return target.path;
}
