/**
 * An owner in a process of its own, for tests that stop it in the middle of its writes: mounts a vdisk and writes a rising
 * counter to all its first blocks, until it may not. Says on stdout what it does, one JSON object a line.
 */
import { openStore } from '@salvor/config-store';
import { codeOf, silentLogger } from '@salvor/service-kit';
import { mountVdisk } from '../src/index.ts';
import { mountSettings } from './data-plane.ts';
import { HeldBandwidth } from './spread/held-bandwidth.ts';

const [endpoint = '', vdisk = '', server = '', ttlSeconds = '', spreadSteps] = process.argv.slice(2);
const BLOCKS = 8;
const ALL_BYTES = BLOCKS * 4096;

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

// As a long collection of garbage does: nothing of this process runs meanwhile, timers neither.
process.on('SIGUSR2', () => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4 * Number(ttlSeconds) * 1_000);
});

const store = openStore({ endpoints: [endpoint] });
const mounted = await mountVdisk({
  store,
  vdisk,
  owner: { server, instance: `pid-${process.pid}` },
  settings: {
    ...mountSettings,
    leaseTtlSeconds: Number(ttlSeconds),
    repairBandwidth: spreadSteps === undefined ? undefined : new HeldBandwidth(Number(spreadSteps)),
  },
  events: {
    engineFailed: (failure) => say({ failure }),
    repairCompleted: () => {},
    dataUnavailable: () => {},
    dataAvailable: () => {},
    blocksCorrupt: () => {},
    takeoverAsked: () => {},
    ownershipLost: (_, reason) => say({ lost: reason }),
  },
  log: silentLogger,
});
say({ mounted: mounted.epoch });
try {
  for (let counter = 1; ; counter++) {
    await mounted.device.write(0, Buffer.alloc(ALL_BYTES, 1 + (counter % 200)));
    if (counter % 50 === 0) say({ written: counter });
  }
} catch (error) {
  const read = await mounted.device.read(0, 512).then(
    () => 'served',
    (refusal: unknown) => codeOf(refusal),
  );
  say({ stopped: codeOf(error), read });
}
await mounted.unmount();
store.close();
