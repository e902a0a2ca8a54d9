import type { DiscoveredService } from '@salvor/bus';
import { CERTIFICATE_NEAR_END_MS, CERTIFICATES, type CertificateDates } from '@salvor/service-kit';
import { z } from 'zod';
import { counted } from '../rendering/text.ts';
import { type Finding, ok, problem, warning } from './finding.ts';

/** Certificates that who asks, NATS and the services hold. */
export function judgeCertificates(
  own: readonly CertificateDates[],
  services: readonly DiscoveredService[],
  nowMs: number,
): Finding[] {
  const held = [
    ...own.map((dates) => ({ holder: 'salvor', ...dates })),
    ...services.flatMap(({ name, id, metadata }) =>
      parsedDates(metadata[CERTIFICATES]).map((dates) => ({ holder: `${name} ${id}`, ...dates })),
    ),
  ];
  if (held.length === 0) return [];
  const judged = held.flatMap(({ holder, setting, file, expiresAt, problem: why }): Finding[] => {
    const what = `${holder}: ${setting} (${file})`;
    if (expiresAt === null)
      return [problem('tls', `${what} cannot be read: ${why ?? 'unknown'}`, `put a certificate there`)];
    const day = new Date(expiresAt).toISOString().slice(0, 10);
    if (expiresAt <= nowMs)
      return [problem('tls', `${what} expired on ${day}`, 'renew it, and start again what holds it')];
    if (expiresAt - nowMs < CERTIFICATE_NEAR_END_MS)
      return [warning('tls', `${what} expires on ${day}`, 'renew it, and start again what holds it')];
    return [];
  });
  if (judged.length > 0) return judged;
  const first = Math.min(...held.map(({ expiresAt }) => expiresAt ?? Number.POSITIVE_INFINITY));
  const day = new Date(first).toISOString().slice(0, 10);
  return [ok('tls', `${counted(held.length, 'certificate')}, the first to expire on ${day}`)];
}

/** What a service told of its certificates; nothing where that cannot be read. */
function parsedDates(json: string | undefined): CertificateDates[] {
  if (json === undefined) return [];
  try {
    return certificateDatesSchema.parse(JSON.parse(json));
  } catch {
    return [];
  }
}

const certificateDatesSchema = z.array(
  z.object({
    setting: z.string(),
    file: z.string(),
    expiresAt: z.number().nullable(),
    problem: z.string().optional(),
  }),
);
