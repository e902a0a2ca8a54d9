import type { Bus } from '@salvor/bus';
import { type Logger, messageOf } from '@salvor/service-kit';
import type { AnnounceRbd } from './rbd-keeper.ts';

/** Publishes `volume.status-changed` where role, phase or conditions changed. */
export function rbdAnnouncer(bus: Pick<Bus, 'publishEvent'>, zone: string, log: Logger): AnnounceRbd {
  return ({ volume, generation }, before, after) => {
    const face = ({ role, phase, conditions }: typeof after): string =>
      JSON.stringify([role, phase, conditions.map(({ condition }) => condition)]);
    if (before !== null && face(before) === face(after)) return;
    const { role, phase, reason, at, conditions } = after;
    log.info(
      { volume, from: before?.phase ?? '', to: phase, role, generation, conditions, reason },
      'mirrored volume changed',
    );
    const payload = { volume, zone, from: before?.phase ?? '', to: phase, role, generation, reason, at };
    bus
      .publishEvent('volume.status-changed', payload, { id: `volume:${zone}:${volume}:${at}:${phase}` })
      .catch((error: unknown) => log.error({ volume, error: messageOf(error) }, 'event not published'));
  };
}
