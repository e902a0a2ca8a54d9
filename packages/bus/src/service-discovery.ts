import { pause } from '@salvor/service-kit';
import { createInbox } from 'nats';
import type { Connection } from './connection.ts';
import { readHeaders } from './message-headers.ts';
import { CLOCK_HEADER, type DiscoveredService, type ServiceInfo } from './service-protocol.ts';

const MAX_ANSWERS = 1_024;

/** Asks every service instance who it is (`$SRV.INFO`), and takes what arrives within `windowMs`. */
export async function discoverServices(
  connection: Connection,
  name: string | undefined,
  windowMs: number,
): Promise<DiscoveredService[]> {
  const inbox = createInbox(connection.inboxPrefix);
  const found: DiscoveredService[] = [];
  const askedAt = Date.now();
  const subscription = connection.nc.subscribe(inbox, {
    callback: (error, message) => {
      if (error || found.length >= MAX_ANSWERS) return;
      const info = parseInfo(message.data);
      if (!info) return;
      const clock = readHeaders(message)?.get(CLOCK_HEADER.toLowerCase());
      found.push({ ...info, clockAheadMs: clockAhead(clock, askedAt, Date.now()) });
    },
  });
  connection.nc.publish(name === undefined ? '$SRV.INFO' : `$SRV.INFO.${name}`, '', { reply: inbox });
  await pause(windowMs);
  subscription.unsubscribe();
  return found;
}

/** Anyone may answer, so anything may arrive: what is no answer of the protocol is left out. */
function parseInfo(data: Uint8Array): ServiceInfo | undefined {
  try {
    const info = JSON.parse(Buffer.from(data).toString('utf8')) as Partial<ServiceInfo>;
    const known =
      typeof info.name === 'string' && typeof info.id === 'string' && Array.isArray(info.endpoints);
    return known ? (info as ServiceInfo) : undefined;
  } catch {
    return undefined;
  }
}

function clockAhead(clock: string | undefined, askedAt: number, answeredAt: number): number | null {
  if (clock === undefined || !/^\d{1,15}$/.test(clock)) return null;
  const told = Number(clock);
  if (told < askedAt) return told - askedAt;
  return Math.max(0, told - answeredAt);
}
