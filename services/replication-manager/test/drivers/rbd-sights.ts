/** Sights of both clusters, from answers of `rbd`. */

import type { Asked, RbdSide, RbdSight } from '../../src/drivers/rbd/decide-rbd-status.ts';
import {
  parseRbdInfo,
  parseRbdPoolInfo,
  parseRbdSnapshots,
  parseRbdStatus,
  type RbdInfo,
} from '../../src/drivers/rbd/rbd-answers.ts';
import { rbdOutcome } from '../../src/drivers/rbd/rbd-outcome.ts';
import { commandOf, type RecordedCall } from './recorded-calls.ts';

const silent = (reason: string): { readonly kind: 'silent'; readonly reason: string } => ({
  kind: 'silent',
  reason,
});

/** What a driver would know that had made the recorded calls itself, one after the other. */
export class RecordedSights {
  readonly #sides = new Map<string, RbdSide>();
  readonly #mirrorUuids = new Map<string, string>();

  /** Learns from one more call. */
  take(call: RecordedCall): void {
    const command = commandOf(call);
    const end = { ...call, timedOut: false };
    const outcome = rbdOutcome(end);
    if (command === 'mirror pool info vol' && outcome === 'done') {
      const { peers } = parseRbdPoolInfo(call.stdout);
      const other = peers[0];
      if (other !== undefined) this.#mirrorUuids.set(other.site, other.mirrorUuid);
      return;
    }
    const image = /\bvol\/([a-z0-9-]+)/.exec(command)?.[1];
    if (image === undefined) return;
    const key = `${call.site} ${image}`;
    const side = this.#sides.get(key) ?? this.#unknown(call.site);
    const asked = <T>(parse: (text: string) => T): Asked<T | null> =>
      outcome === 'done'
        ? { kind: 'answered', value: parse(call.stdout) }
        : outcome === 'not-found' || outcome === 'not-mirrored'
          ? { kind: 'answered', value: null }
          : silent(outcome);
    if (/^info /.test(command)) this.#sides.set(key, { ...side, info: asked(parseRbdInfo) });
    else if (/^mirror image status /.test(command)) {
      const status = asked(parseRbdStatus);
      const gone = outcome === 'not-found' ? { info: { kind: 'answered' as const, value: null } } : {};
      this.#sides.set(key, { ...side, status, ...gone });
    } else if (/^snap ls /.test(command) && outcome === 'done')
      this.#sides.set(key, {
        ...side,
        snapshots: { kind: 'answered', value: parseRbdSnapshots(call.stdout) },
      });
    else if (/^mirror image (promote|demote) /.test(command) && outcome === 'done')
      this.#sides.set(key, { ...side, info: withRole(side.info, command.includes('promote')) });
  }

  sight(local: 'site-a' | 'site-b', image: string, { isPeerLost = false } = {}): RbdSight {
    const other = local === 'site-a' ? 'site-b' : 'site-a';
    return {
      local: this.#side(local, image),
      peer: isPeerLost ? this.#unknown(other) : this.#side(other, image),
    };
  }

  #side(site: string, image: string): RbdSide {
    const side = this.#sides.get(`${site} ${image}`) ?? this.#unknown(site);
    return { ...side, mirrorUuid: this.#mirrorUuids.get(site) ?? null };
  }

  #unknown(site: string): RbdSide {
    const none = silent('not asked');
    return { zone: site, info: none, snapshots: none, status: none, mirrorUuid: null };
  }
}

function withRole(info: Asked<RbdInfo | null>, primary: boolean): Asked<RbdInfo | null> {
  if (info.kind === 'silent' || info.value === null || info.value.mirroring === null) return info;
  return { kind: 'answered', value: { ...info.value, mirroring: { ...info.value.mirroring, primary } } };
}
