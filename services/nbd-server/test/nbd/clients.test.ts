import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { run } from './client-programs.ts';
import { MiB, serve } from './served.ts';

test('nbdinfo lists the exports and reads every advertised property', async (t) => {
  const { server } = await serve(t);
  for (const uri of server.uris('')) {
    const listed = JSON.parse(await run('nbdinfo', '--list', '--json', uri));
    assert.deepEqual(
      listed.exports.map((each: Record<string, unknown>) => each['export-name']),
      ['d', 'ro'],
    );
  }
  for (const uri of server.uris('d')) {
    const { protocol, structured, exports } = JSON.parse(await run('nbdinfo', '--json', uri));
    assert.deepEqual([protocol, structured], ['newstyle-fixed', true]);
    const [info] = exports;
    assert.deepEqual(
      {
        name: info['export-name'],
        size: info['export-size'],
        readOnly: info.is_read_only,
        description: info.description,
        can: [info.can_flush, info.can_fua, info.can_trim, info.can_zero, info.can_multi_conn, info.can_df],
        more: [info.can_cache, info.can_fast_zero, info.contexts],
        blocks: [info.block_size_minimum, info.block_size_preferred, info.block_size_maximum],
      },
      {
        name: 'd',
        size: 8 * MiB,
        readOnly: false,
        description: 'vdisk d',
        can: [true, true, true, true, true, true],
        more: [true, true, ['base:allocation']],
        blocks: [1, 4096, 32 * MiB],
      },
    );
  }
});

test('nbdinfo sees that an export is read-only, and says so when it does not exist', async (t) => {
  const { server } = await serve(t);
  const [uri = ''] = server.uris('ro');
  assert.equal(JSON.parse(await run('nbdinfo', '--json', uri)).exports[0].is_read_only, true);
  const [unknown = ''] = server.uris('nobody');
  await assert.rejects(run('nbdinfo', unknown), /no vdisk nobody|not.*(found|available)|NBD_OPT_GO/i);
});

test('nbdcopy writes and reads an image back, over several connections and with the largest requests', async (t) => {
  const { server, directory, exports, device } = await serve(t);
  const image = randomBytes(8 * MiB);
  image.fill(0, 2 * MiB, 3 * MiB);
  await writeFile(`${directory}/image`, image);
  for (const uri of server.uris('d')) {
    for (const options of [
      [],
      ['--connections=4', '--requests=32', '--request-size=65536'],
      ['--request-size=8388608'],
    ]) {
      device.bytes.fill(0xee);
      await run('nbdcopy', ...options, '--flush', `${directory}/image`, uri);
      assert.ok(device.bytes.equals(image));
      await run('nbdcopy', ...options, uri, `${directory}/copy`);
      assert.ok((await readFile(`${directory}/copy`)).equals(image));
    }
  }
  assert.ok(device.calls.includes('flush'));
  assert.ok(exports.opened > 4);
});

test('qemu-io reads, writes, zeroes, discards and flushes, unaligned too', async (t) => {
  const { server, device } = await serve(t);
  for (const uri of server.uris('d')) {
    const commands = [
      'write -P 0x5a 513 70001',
      'write -f -P 0x11 1M 4k',
      'write -z 64k 64k',
      'discard 2M 1M',
      'flush',
    ];
    const checks = ['read -P 0x5a 513 65023', 'read -P 0 64k 64k', 'read -P 0x11 1M 4k', 'read -P 0 2M 1M'];
    const output = await run(
      'qemu-io',
      ...['-f', 'raw', uri],
      ...[...commands, ...checks].flatMap((command) => ['-c', command]),
    );
    assert.doesNotMatch(output, /failed|error/i);
    assert.equal(device.bytes[1 * MiB], 0x11);
  }
  const failed = await run('qemu-io', '-f', 'raw', ...server.uris('ro').slice(0, 1), '-c', 'read 0 4k').catch(
    String,
  );
  assert.match(failed, /read-only|Permission/i, 'qemu-io opens for writing and is told why it cannot');
});

test('fio verifies what it wrote at random, many requests in flight, large blocks and small', async (t) => {
  const { server } = await serve(t);
  for (const [i, uri] of server.uris('d').entries()) {
    for (const blockSize of ['512-64k', '4k', '1M']) {
      await run(
        'fio',
        ...[
          '--name=verify',
          '--ioengine=nbd',
          `--uri=${uri}`,
          '--rw=randwrite',
          `--bsrange=${range(blockSize)}`,
        ],
        ...['--iodepth=32', '--size=8m', '--thread', '--verify=crc32c', '--do_verify=1', '--verify_fatal=1'],
        ...['--blockalign=512', `--randseed=${i}`, '--output-format=terse', '--verify_state_save=0'],
      );
    }
  }
  assert.equal(server.bytesInFlight, 0);
  assert.equal(server.traffic.failedRequests + server.traffic.refusedRequests, 0);
});

function range(blockSize: string): string {
  return blockSize.includes('-') ? blockSize : `${blockSize}-${blockSize}`;
}
