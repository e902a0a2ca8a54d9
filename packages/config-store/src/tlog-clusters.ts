/** The clusters behind a 0-Disk transaction log: its 0-stor cluster and its log servers. Salvor only reads them. */
import { DIAL_ADDRESS, isDialAddress } from './dial-address.ts';
import {
  integer,
  items,
  type Members,
  members,
  type Place,
  problem,
  readStockYaml,
  requiredText,
  text,
} from './stock-yaml.ts';

/** `<cluster>:cluster:conf:zerostor` */
export interface ZerostorCluster {
  readonly iyo: {
    readonly org: string;
    readonly namespace: string;
    readonly clientID: string;
    readonly secret: string;
  };
  readonly metadataServers: readonly { readonly address: string }[];
  /** Exactly `dataShards + parityShards` of them. */
  readonly dataServers: readonly { readonly address: string }[];
  readonly dataShards: number;
  readonly parityShards: number;
}

/** `<cluster>:cluster:conf:tlog` */
export interface TlogCluster {
  /** `host:port` */
  readonly servers: readonly string[];
}

export function parseZerostorCluster(value: string): ZerostorCluster {
  return readStockYaml('0-stor cluster', value, (root) => {
    const iyo = members(root.member('iyo'));
    const dataShards = integer(root.member('dataShards'), 1, 'a whole number of at least 1');
    const parityShards = integer(root.member('parityShards'), 1, 'a whole number of at least 1');
    const dataServers = readServers(root, 'dataServers');
    if (dataServers.length !== dataShards + parityShards) {
      problem(root.member('dataServers'), `dataShards + parityShards = ${dataShards + parityShards} servers`);
    }
    return {
      iyo: {
        org: requiredText(iyo.member('org'), 'an organisation'),
        namespace: requiredText(iyo.member('namespace'), 'a namespace'),
        clientID: text(iyo.member('clientID')),
        secret: text(iyo.member('secret')),
      },
      metadataServers: readServers(root, 'metadataServers'),
      dataServers,
      dataShards,
      parityShards,
    };
  });
}

export function parseTlogCluster(value: string): TlogCluster {
  return readStockYaml('tlog cluster', value, (root) => ({
    servers: items(root.member('servers')).map((place) => {
      const address = text(place);
      if (!isDialAddress(address)) problem(place, DIAL_ADDRESS);
      return address;
    }),
  }));
}

function readServers(root: Members, name: string): { address: string }[] {
  return items(root.member(name)).map((place) => ({
    address: readAddress(members(place).member('address')),
  }));
}

/** 0-stor addresses may also be unix sockets and URLs. */
function readAddress(place: Place): string {
  const address = text(place);
  const accepted = isDialAddress(address) || /^unix:\/\/.+/.test(address) || /^https?:\/\/.+/.test(address);
  if (!accepted) problem(place, `${DIAL_ADDRESS}, unix:///path or an http(s) URL`);
  return address;
}
