import { isIP, isIPv4, isIPv6 } from 'node:net';

const HOST_NAME = /^[a-zA-Z0-9_][a-zA-Z0-9_-]{0,62}(\.[a-zA-Z0-9_][a-zA-Z0-9_-]{0,62})*[._]?$/;
const MAX_HOST_NAME_LENGTH = 255;
const MAX_PORT = 65_535;

/** What the stock readers accept as the address of a server, for error messages. */
export const DIAL_ADDRESS = 'host:port, with an IPv6 host in brackets';

/** Whether the stock readers accept `address`: a host name or IP address, a colon and a port. No unix sockets. */
export function isDialAddress(address: string): boolean {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(address);
  if (match === null) return false;
  const [, bracketed, bare, port] = match;
  const portNumber = Number(port);
  if (portNumber < 1 || portNumber > MAX_PORT) return false;
  if (bracketed !== undefined) return isIPv6(bracketed) || isIPv4(bracketed) || isHostName(bracketed);
  return bare !== undefined && (isIPv4(bare) || isHostName(bare));
}

function isHostName(host: string): boolean {
  return HOST_NAME.test(host) && host.length <= MAX_HOST_NAME_LENGTH && isIP(host) === 0;
}
