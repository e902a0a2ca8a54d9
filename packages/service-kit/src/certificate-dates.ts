import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { messageOf } from './errors.ts';

/** How long the certificates in a file are good for. */
export interface CertificateDates {
  /** The setting that names the file, such as `etcdTlsCa`. */
  readonly setting: string;
  readonly file: string;
  /** Of the first one to expire, in Unix milliseconds; null when the file cannot be read. */
  readonly expiresAt: number | null;
  /** Why there is no date. */
  readonly problem?: string | undefined;
}

/** What expires within so long is to be renewed now, in milliseconds. */
export const CERTIFICATE_NEAR_END_MS: number = 30 * 86_400_000;

/** Settings of which the value is a file with certificates, not keys. */
const CERTIFICATE_SETTING = /Tls(?:Client)?(?:Ca|Cert)(?:File)?$/;

/** The dates of all certificate files that a configuration names. Never throws: what is wrong is told by its date. */
export function certificateDates(config: Readonly<Record<string, unknown>>): CertificateDates[] {
  return Object.entries(config).flatMap(([setting, file]) =>
    CERTIFICATE_SETTING.test(setting) && typeof file === 'string' && file !== ''
      ? [datesIn(setting, file)]
      : [],
  );
}

/** For the metadata of a service on the bus, where `salvor doctor` finds it. */
export function certificateMetadata(config: Readonly<Record<string, unknown>>): Record<string, string> {
  const dates = certificateDates(config);
  return dates.length === 0 ? {} : { [CERTIFICATES]: JSON.stringify(dates) };
}

/** The member of a service's metadata that has {@link CertificateDates}, as JSON. */
export const CERTIFICATES = 'salvor-certificates';

function datesIn(setting: string, file: string): CertificateDates {
  try {
    return { setting, file, expiresAt: firstToExpire(readFileSync(file, 'utf8')) };
  } catch (error) {
    return { setting, file, expiresAt: null, problem: messageOf(error) };
  }
}

/** Unix milliseconds. @throws when there is no certificate in the text */
function firstToExpire(pem: string): number {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  if (found.length === 0) throw new Error('expected a certificate as PEM');
  return Math.min(...found.map((text) => Date.parse(new X509Certificate(text).validTo)));
}
