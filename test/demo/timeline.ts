import type { BusEvent } from '@salvor/bus';

/** Prints what happens as it happens, with the time since the start. */
export class Timeline {
  readonly #startedAt = performance.now();
  readonly #quiet: boolean;

  constructor(quiet: boolean) {
    this.#quiet = quiet;
  }

  say(who: string, what: string): void {
    if (this.#quiet) return;
    const seconds = ((performance.now() - this.#startedAt) / 1000).toFixed(3).padStart(8);
    process.stdout.write(`${seconds} s  ${who.padEnd(18)}  ${what}\n`);
  }

  /** An event of the bus, in a sentence. */
  event(event: BusEvent): void {
    switch (event.type) {
      case 'engine.failure-reported':
        return this.say('log-watcher', `${event.payload.reporter} reports: ${event.payload.reason}`);
      case 'incident.opened':
        return this.say(
          'repair-coordinator',
          `opened incident ${event.payload.incident} for ${event.payload.address}`,
        );
      case 'engine.status-changed': {
        const { cluster, shard, from, to, reason, durationMs } = event.payload;
        const after = durationMs === undefined ? '' : ` after ${durationMs} ms`;
        return this.say(event.payload.by, `${cluster}/${shard} ${from} -> ${to}${after}: ${reason}`);
      }
      case 'engine.verdict-given':
        return this.say('health-analyzer', `verdict ${event.payload.verdict}: ${event.payload.reason}`);
      case 'repair.completed': {
        const { server, address, dirtyBlocks, copiedBlocks, repairMs } = event.payload;
        return this.say(
          server,
          `repaired ${address}: ${copiedBlocks ?? '?'} of ${dirtyBlocks ?? '?'} marked blocks in ${repairMs ?? '?'} ms`,
        );
      }
      case 'incident.closed':
        return this.say(
          'repair-coordinator',
          `closed incident ${event.payload.incident}: ${event.payload.outcome} after ${event.payload.durationMs} ms`,
        );
      case 'cluster.status-changed':
        return this.say('repair-coordinator', `cluster ${event.payload.cluster} is ${event.payload.to}`);
      case 'vdisk.mounted':
        return this.say(
          event.payload.server,
          `mounted vdisk ${event.payload.vdisk} with epoch ${event.payload.epoch}`,
        );
      default:
        return;
    }
  }
}
