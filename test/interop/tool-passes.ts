import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { open, stat, writeFile } from 'node:fs/promises';
import { qemuIo } from '@salvor/testkit';
import { compare, copy, type InteropStack, MiB, run } from './interop-stack.ts';
import { passedOn } from './passed-on.ts';

/** What one program does with one export of its own; the same whether the stack is healthy or not. */
export interface ToolPass {
  readonly name: string;
  readonly vdisk: string;
  run(stack: InteropStack): Promise<void>;
}

const VDISK_BYTES = 1024 * MiB;

export const toolPasses: readonly ToolPass[] = [
  { name: 'nbdinfo', vdisk: 'info', run: nbdinfoPass },
  { name: 'nbdcopy', vdisk: 'copy', run: nbdcopyPass },
  { name: 'nbddump', vdisk: 'dump', run: nbddumpPass },
  { name: 'qemu-img', vdisk: 'img', run: qemuImgPass },
  { name: 'qemu-img with a qcow2 image inside the export', vdisk: 'qcow2', run: qcow2Pass },
  { name: 'qemu-io', vdisk: 'io', run: qemuIoPass },
  { name: 'qemu-nbd as our client', vdisk: 'qnbd', run: (stack) => passedOnPass(stack, 'qemu-nbd', 'qnbd') },
  {
    name: 'qemu-storage-daemon as our client',
    vdisk: 'qsd',
    run: (stack) => passedOnPass(stack, 'qemu-storage-daemon', 'qsd'),
  },
  {
    name: 'the nbd plugin of nbdkit behind its filters',
    vdisk: 'qnbd',
    run: (stack) => passedOnPass(stack, 'nbdkit', 'qnbd'),
  },
  { name: 'fio with 4 jobs on 2 connections', vdisk: 'fio', run: fioPass },
  { name: 'nbd-client', vdisk: 'dump', run: nbdClientPass },
];

interface MapEntry {
  offset: number;
  length: number;
  type: number;
}

async function nbdinfoPass(stack: InteropStack): Promise<void> {
  const { unix, tcp } = stack.uris('info');
  await qemuIo(unix, ['discard 0 16M', 'write -P 1 1M 1M', 'write -P 2 8M 4k']);
  for (const uri of [unix, tcp]) {
    const { protocol, structured, exports } = JSON.parse(await run('nbdinfo', '--json', uri));
    const [info] = exports;
    assert.deepEqual(
      {
        protocol,
        structured,
        size: info['export-size'],
        can: [info.can_flush, info.can_fua, info.can_trim, info.can_zero, info.can_multi_conn, info.can_df],
        readOnly: info.is_read_only,
        contexts: info.contexts,
        blocks: [info.block_size_minimum, info.block_size_preferred, info.block_size_maximum],
      },
      {
        protocol: 'newstyle-fixed',
        structured: true,
        size: VDISK_BYTES,
        can: [true, true, true, true, true, true],
        readOnly: false,
        contexts: ['base:allocation'],
        blocks: [1, 4096, 32 * MiB],
      },
    );
    assert.equal((await run('nbdinfo', '--size', uri)).trim(), String(VDISK_BYTES));
    await run('nbdinfo', '--can', 'multi-conn', uri);
    const map: MapEntry[] = JSON.parse(await run('nbdinfo', '--map', '--json', uri));
    const stored = map.filter(({ type }) => type === 0);
    assert.deepEqual(
      stored.map(({ offset, length }) => [offset, length]),
      [
        [1 * MiB, 1 * MiB],
        [8 * MiB, 4096],
      ],
    );
  }
  const { exports } = JSON.parse(await run('nbdinfo', '--list', '--json', stack.uris('').tcp));
  const names = exports.map((each: Record<string, unknown>) => each['export-name']);
  assert.ok(names.includes('info') && names.includes('copy'), String(names));
}

/** Random bytes with a hole of 3 MiB, and an odd end. */
async function makeImage(file: string, bytes: number): Promise<Buffer> {
  const image = randomBytes(bytes);
  image.fill(0, 2 * MiB, 5 * MiB);
  await writeFile(file, image);
  return image;
}

async function nbdcopyPass(stack: InteropStack): Promise<void> {
  const { unix, tcp } = stack.uris('copy');
  const [image, back] = [stack.dir.join('copy.image'), stack.dir.join('copy.back')];
  const ways: [string, number, string[]][] = [
    [unix, 8 * MiB + 512, []],
    [tcp, 8 * MiB + 512, ['--connections=4', '--requests=64', '--request-size=65536']],
    [unix, 34 * MiB, ['--requests=2', `--request-size=${32 * MiB}`]],
  ];
  for (const [uri, length, options] of ways) {
    const bytes = await makeImage(image, length);
    await copy(image, uri, '--flush', ...options);
    await copy(uri, back, ...options);
    assert.equal(sha256(await partOf(back, 0, length)), sha256(bytes), `${uri} ${options.join(' ')}`);
  }
  assert.equal((await stat(back)).size, VDISK_BYTES);
  // This filter of nbdkit turns writes into comparisons.
  await run('nbdkit', '-U', '-', '--filter=checkwrite', 'nbd', tcp, '--run', `nbdcopy '${image}' "$uri"`);
}

async function nbddumpPass(stack: InteropStack): Promise<void> {
  const { unix, tcp } = stack.uris('dump');
  await qemuIo(tcp, ['write -P 0x41 1000 24']);
  const text = await run('nbddump', '--length=1024', unix);
  assert.match(text, /AAAAAAAA/);
  assert.match(text, /00000003f0|3f0/);
}

async function qemuImgPass(stack: InteropStack): Promise<void> {
  const { unix, tcp } = stack.uris('img');
  const [image, qcow2] = [stack.dir.join('img.raw'), stack.dir.join('img.qcow2')];
  await makeImage(image, 24 * MiB);
  const window = (uri: string) => rawWindow(uri, 24 * MiB);
  await run('qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw', '-W', '-m', '8', image, unix);
  await compare(image, 'raw', tcp, 'raw');
  await run('qemu-img', 'convert', '-O', 'qcow2', window(tcp), qcow2);
  await run('qemu-img', 'check', '-f', 'qcow2', qcow2);
  await compare(image, 'raw', qcow2, 'qcow2');
  await qemuIo(unix, ['write -P 7 6000000 1000']);
  await assert.rejects(compare(image, 'raw', unix, 'raw'), /tool-failed|mismatch/i);
}

function rawWindow(uri: string, size: number): string {
  const server = uri.startsWith('nbd+unix')
    ? { type: 'unix', path: new URL(uri).searchParams.get('socket') }
    : { type: 'inet', host: new URL(uri).hostname, port: new URL(uri).port };
  const name = decodeURIComponent(new URL(uri).pathname.slice(1));
  return `json:${JSON.stringify({ driver: 'raw', size, file: { driver: 'nbd', server, export: name } })}`;
}

async function qcow2Pass(stack: InteropStack): Promise<void> {
  const { unix, tcp } = stack.uris('qcow2');
  const image = stack.dir.join('qcow2.raw');
  await makeImage(image, 16 * MiB);
  await run('qemu-img', 'create', '-f', 'qcow2', unix, '256M');
  await run('qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'qcow2', image, unix);
  await run('qemu-img', 'check', '-f', 'qcow2', tcp);
  await compare(image, 'raw', tcp, 'qcow2');
  const commands = [
    'write -P 0x33 100M 1M',
    'write -z 0 64k',
    'flush',
    'read -P 0x33 100M 1M',
    'read -P 0 0 64k',
  ];
  await run('qemu-io', '-f', 'qcow2', ...commands.flatMap((line) => ['-c', line]), unix);
  assert.match(await run('qemu-img', 'check', '-f', 'qcow2', tcp), /No errors were found/);
}

async function qemuIoPass(stack: InteropStack): Promise<void> {
  const { unix, tcp } = stack.uris('io');
  const changes = [
    ['write -P 0x5a 513 70001', 'write -P 0xa5 3M 5M', 'write -f -P 0x11 16M 4k', 'write -P 0x77 20M 32M'],
    ['write -z 64k 64k', 'write -z -u 4M 1M', 'write -z 5000001 999', 'discard 6M 1M', 'flush'],
    ['aio_write -P 0x21 60M 1M', 'aio_write -P 0x22 61M 1M', 'aio_write -P 0x23 62M 513', 'aio_flush'],
  ];
  for (const [i, lines] of changes.entries()) await qemuIo(i % 2 === 0 ? unix : tcp, lines);
  await qemuIo(tcp, [
    ...['read -P 0x5a 513 65023', 'read -P 0 64k 64k', 'read -P 0xa5 3M 1M', 'read -P 0 4M 1M'],
    ...['read -P 0xa5 5242880 800000', 'read -P 0 6M 1M', 'read -P 0x11 16M 4k', 'read -P 0x77 20M 32M'],
    ...['read -P 0x21 60M 1M', 'read -P 0x22 61M 1M', 'read -P 0x23 62M 513', 'read -P 0 65012225 511'],
  ]);
}

/** An image through another NBD server that is our client, and what it wrote read directly. */
async function passedOnPass(
  stack: InteropStack,
  through: Parameters<typeof passedOn>[0],
  vdisk: string,
): Promise<void> {
  const { unix, tcp } = stack.uris(vdisk);
  const file = (ending: string): string => stack.dir.join(`${through}.${ending}`);
  const [image, back] = [file('image'), file('back')];
  const bytes = await makeImage(image, 8 * MiB);
  await using front = await passedOn(through, tcp, file('sock'));
  await copy(image, front.uri, '--flush', '--connections=2');
  await copy(front.uri, back);
  assert.equal(sha256(await partOf(back, 0, bytes.length)), sha256(bytes), 'read back through it');
  await qemuIo(front.uri, ['write -P 0x44 700001 999', 'discard 1M 64k', 'write -z 5M 64k', 'flush']);
  await front.end();
  await copy(unix, back);
  bytes
    .fill(0x44, 700_001, 701_000)
    .fill(0, 1 * MiB, 1 * MiB + 65_536)
    .fill(0, 5 * MiB, 5 * MiB + 65_536);
  const at = front.offset;
  assert.equal(sha256(await partOf(back, at, bytes.length)), sha256(bytes), 'read directly');
}

async function fioPass(stack: InteropStack): Promise<void> {
  const { unix, tcp } = stack.uris('fio');
  // fio opens a connection for each job; nbdkit's `shared=true` passes the requests of all its clients over one.
  await using one = await passedOn('nbdkit, one connection', tcp, stack.dir.join('fio-1.sock'));
  await using two = await passedOn('nbdkit, one connection', unix, stack.dir.join('fio-2.sock'));
  const common = [
    ...['--ioengine=nbd', '--rw=randrw', '--bsrange=512-64k', '--blockalign=512', '--iodepth=16', '--thread'],
    ...['--size=6m', '--verify=crc32c', '--verify_fatal=1', '--verify_backlog=128', '--do_verify=1'],
    ...['--verify_state_save=0', '--randrepeat=0', '--group_reporting', '--output-format=json'],
  ];
  const jobs = [one, two].flatMap(({ uri }, i) =>
    [0, 1].flatMap((j) => [`--name=job${2 * i + j}`, `--uri=${uri}`, `--offset=${16 * (2 * i + j)}m`]),
  );
  const report = await run('fio', ...common, ...jobs);
  const { jobs: done } = JSON.parse(report.slice(report.indexOf('{'))) as { jobs: { error: number }[] };
  assert.ok(done.length > 0 && done.every(({ error }) => error === 0), report);
}

async function nbdClientPass(stack: InteropStack): Promise<void> {
  const { tcp, unix } = stack.uris('dump');
  const { hostname, port } = new URL(tcp);
  const socket = new URL(unix).searchParams.get('socket') ?? '';
  const listed = await run('nbd-client', '-l', hostname, port);
  assert.match(listed, /^dump$/m);
  // It negotiates to the end, and stops only at what is not a device of the kernel.
  for (const where of [
    [hostname, port],
    ['-u', socket],
  ]) {
    for (const mode of [[], ['-g']]) {
      const args = [...where, '-N', 'dump', ...mode, '-n', '-L', '/dev/null'];
      const said = await run('nbd-client', ...args).catch(String);
      assert.match(said, /size = 1024MB/);
      assert.match(said, /ioctl/i);
    }
  }
}

/** The files are as large as the export: only what may have been written is read. */
async function partOf(file: string, at: number, length: number): Promise<Buffer> {
  await using handle = await open(file);
  const bytes = Buffer.alloc(length);
  await handle.read(bytes, 0, length, at);
  return bytes;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
