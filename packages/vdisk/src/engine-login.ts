import {
  file,
  orElse,
  readTlsMaterial,
  SalvorError,
  type Setting,
  type TlsMaterial,
} from '@salvor/service-kit';
import { z } from 'zod';

/** How engines let a process in, and by what they are known. Plain data: it goes to the threads that copy. */
export interface EngineLogin {
  /** A user of the engines' ACL; without one the password is that of the default user. */
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** With it links over TCP are TLS; unix sockets stay as they are, guarded by their permissions. */
  readonly tls?: TlsMaterial | undefined;
}

/** What every service that talks to engines is configured with. */
export const engineLoginSettings: {
  engineUser: Setting<string>;
  enginePassword: Setting<string>;
  engineTlsCa: Setting<string>;
  engineTlsCert: Setting<string>;
  engineTlsKey: Setting<string>;
} = {
  engineUser: {
    schema: orElse(z.string().regex(/^[A-Za-z0-9_.-]{0,64}$/, 'expected a user of the engines'), ''),
    help: 'user of the storage engines, from their ACL; without one, the password is that of the default user',
    example: 'nbd-server',
  },
  enginePassword: {
    schema: orElse(z.string(), ''),
    help: 'password of the storage engines',
    secret: true,
    example: 'from SALVOR_ENGINE_PASSWORD_FILE',
  },
  engineTlsCa: file('CA certificate of the storage engines; when set, they are talked to with TLS', 'ca.pem'),
  engineTlsCert: file('certificate shown to storage engines that ask for one', 'client.pem'),
  engineTlsKey: file('private key of that certificate', 'client-key.pem'),
};

/** @throws SalvorError `engine-login-incomplete`; TlsMaterialError */
export function engineLogin(
  config: {
    readonly [K in keyof typeof engineLoginSettings]: string;
  },
): EngineLogin | undefined {
  const { engineUser: user, enginePassword: password, engineTlsCa, engineTlsCert, engineTlsKey } = config;
  if (user !== '' && password === '')
    throw new SalvorError('engine-login-incomplete', 'SALVOR_ENGINE_USER needs SALVOR_ENGINE_PASSWORD_FILE');
  const tls = readTlsMaterial('ENGINE', { ca: engineTlsCa, cert: engineTlsCert, key: engineTlsKey });
  if (password === '' && tls === undefined) return undefined;
  return {
    ...(user === '' ? {} : { user }),
    ...(password === '' ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
  };
}
