import type { Bus } from '@salvor/bus';
import type { VolumeRecord, VolumeResult } from '@salvor/config-store';
import { type Logger, messageOf } from '@salvor/service-kit';

/** Tells the world what became of a volume; never fails. */
export type Announce = (result: VolumeResult) => void;

export function announcer(bus: Bus, zone: string, log: Logger): Announce {
  return ({ outcome, volume, before, record, reason, operation }) => {
    if (outcome !== 'applied' || faceOf(before) === faceOf(record)) return;
    const at = record?.changedAt ?? Date.now();
    const [from, to] = [before?.phase ?? '', record?.phase ?? ''];
    log.info(
      { volume, from, to, role: record?.role, generation: record?.generation.number, reason },
      'volume changed',
    );
    const payload = {
      ...{
        volume,
        zone,
        from,
        to,
        role: record?.role ?? '',
        generation: record?.generation.number ?? 0,
        reason,
        at,
      },
      ...(operation === '' ? {} : { operation }),
    };
    bus
      .publishEvent('volume.status-changed', payload, { id: `volume:${zone}:${volume}:${at}:${to}` })
      .catch((error: unknown) => log.error({ volume, error: messageOf(error) }, 'event not published'));
  };
}

/** What of a record others care about: not how far it has come since. */
function faceOf(record: VolumeRecord | null): string {
  if (record === null) return '';
  const { role, phase, generation, trouble, rival, promotion, peer, mode } = record;
  return JSON.stringify([
    role,
    phase,
    generation,
    trouble?.code,
    rival?.generation,
    promotion?.operation,
    peer,
    mode,
  ]);
}
