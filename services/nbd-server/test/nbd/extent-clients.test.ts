import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { access, readFile, stat, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { run, runServer } from './client-programs.ts';
import type { MemoryDevice } from './memory-device.ts';
import { MiB, type Served, serve } from './served.ts';

/** Data in the first MiB and in one block at 4 MiB; the rest is a hole. */
async function fill(device: MemoryDevice): Promise<void> {
  await device.write(0, randomBytes(1 * MiB));
  await device.write(4 * MiB, randomBytes(4096));
}

interface MapEntry {
  offset: number;
  length: number;
  type: number;
}

const thin = [
  [0, 1 * MiB, 0],
  [1 * MiB, 3 * MiB, 3],
  [4 * MiB, 4096, 0],
  [4 * MiB + 4096, 4 * MiB - 4096, 3],
];

test('nbdinfo maps what is stored, also when each answer covers only a little', async (t) => {
  const { server, device } = await serve(t);
  await fill(device);
  for (const uri of server.uris('d')) {
    for (const extentBytesMax of [2 ** 32, 64 * 1024]) {
      device.extentBytesMax = extentBytesMax;
      const map: MapEntry[] = JSON.parse(await run('nbdinfo', '--map', '--json', uri));
      assert.deepEqual(merged(map), thin);
    }
  }
});

test('nbdcopy reads only what is stored and keeps holes, both ways', async (t) => {
  const { server, device, directory } = await serve(t);
  await fill(device);
  const image = Buffer.from(device.bytes);
  const [uri = ''] = server.uris('d');
  device.calls.length = 0;
  await run('nbdcopy', uri, `${directory}/image`);
  assert.ok((await readFile(`${directory}/image`)).equals(image));
  assert.ok((await stat(`${directory}/image`)).blocks * 512 < 2 * MiB, 'holes stay holes');
  assert.ok(bytesOf(device, 'read') < 2 * MiB);
  device.bytes.fill(0xee);
  for (let block = 0; block < device.sizeBytes / 4096; block++) device.stored.add(block);
  device.calls.length = 0;
  await run('nbdcopy', `${directory}/image`, uri);
  assert.ok(device.bytes.equals(image));
  assert.ok(bytesOf(device, 'write') < 2 * MiB);
  assert.ok(device.stored.size * 4096 < 2 * MiB, 'what is a hole in the file is one in the device');
});

test('qemu-img maps, converts and compares', async (t) => {
  const { server, device, directory } = await serve(t);
  await fill(device);
  for (const uri of server.uris('d')) {
    const map: { start: number; length: number; data: boolean; zero: boolean }[] = JSON.parse(
      await run('qemu-img', 'map', '--output=json', '-f', 'raw', uri),
    );
    assert.deepEqual(
      map.map(({ start, length, data, zero }) => [start, length, data ? 0 : zero ? 3 : -1]),
      thin,
    );
    const copy = `${directory}/copy.qcow2`;
    await run('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', uri, copy);
    await run('qemu-img', 'compare', '-f', 'raw', '-F', 'qcow2', uri, copy);
    const before = Buffer.from(device.bytes);
    device.bytes.fill(0xee);
    for (let block = 0; block < device.sizeBytes / 4096; block++) device.stored.add(block);
    await run('qemu-img', 'convert', '-n', '-f', 'qcow2', '-O', 'raw', copy, uri);
    assert.ok(device.bytes.equals(before));
    await run('qemu-img', 'compare', '-f', 'raw', '-F', 'qcow2', uri, copy);
    await device.write(5 * MiB, Buffer.from('x'));
    await assert.rejects(run('qemu-img', 'compare', '-f', 'raw', '-F', 'qcow2', uri, copy));
    await device.zero(5 * MiB, 4096);
  }
});

test('qemu-io writes zeroes fast where whole blocks allow it, and reads back what it wrote', async (t) => {
  const { server, device } = await serve(t);
  await fill(device);
  const [uri = ''] = server.uris('d');
  const commands = [
    'write -z -u 0 1M',
    'write -z 4M 100',
    'read -P 0 0 1M',
    'read -P 0 4M 100',
    'alloc 0 8M',
  ];
  const output = await run('qemu-io', '-f', 'raw', uri, ...commands.flatMap((each) => ['-c', each]));
  assert.doesNotMatch(output, /failed|error/i);
  assert.equal(device.stored.size, 1);
});

for (const behind of ['nbdkit', 'qemu-nbd'] as const) {
  test(`${behind} as our client passes everything on: data, zeroes, extents`, async (t) => {
    const served = await serve(t);
    const uri = await passOn(t, behind, served);
    const { device, directory } = served;
    await fill(device);
    const image = Buffer.from(device.bytes);
    const map: MapEntry[] = JSON.parse(await run('nbdinfo', '--map', '--json', uri));
    assert.deepEqual(merged(map), thin);
    await run('nbdcopy', uri, `${directory}/image`);
    assert.ok((await readFile(`${directory}/image`)).equals(image));
    const other = randomBytes(8 * MiB).fill(0, 3 * MiB, 6 * MiB);
    await writeFile(`${directory}/other`, other);
    await run('nbdcopy', '--flush', `${directory}/other`, uri);
    assert.ok(device.bytes.equals(other));
    assert.ok(device.calls.includes('flush'));
    await run(
      'qemu-io',
      '-f',
      'raw',
      uri,
      '-c',
      'discard 0 1M',
      '-c',
      'write -z -u 1M 1M',
      '-c',
      'read 0 8M',
    );
    assert.ok(!device.stored.has(300));
  });
}

async function passOn(
  t: Parameters<typeof serve>[0],
  behind: 'nbdkit' | 'qemu-nbd',
  { server, directory }: Served,
): Promise<string> {
  const [ours = ''] = server.uris('d');
  const socket = `${directory}/behind.sock`;
  const command =
    behind === 'nbdkit'
      ? ['nbdkit', '-f', '-U', socket, 'nbd', ours]
      : ['qemu-nbd', '-f', 'raw', '-k', socket, '-t', '-e', '4', ours];
  const [program = '', ...args] = command;
  await runServer(t, () => access(socket), program, ...args);
  return `nbd+unix:///?socket=${socket}`;
}

/** Neighbours of one kind joined: clients differ in where they cut. */
function merged(map: readonly MapEntry[]): number[][] {
  const entries: [number, number, number][] = [];
  for (const { offset, length, type } of map) {
    const last = entries.at(-1);
    if (last?.[2] === type) last[1] += length;
    else entries.push([offset, length, type]);
  }
  return entries;
}

function bytesOf(device: MemoryDevice, kind: string): number {
  const calls = device.calls.filter((call) => call.startsWith(`${kind} `));
  return calls.reduce((sum, call) => sum + Number(call.split(' ')[2]), 0);
}
