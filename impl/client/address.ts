/** Where a node listens. */
export interface Address {
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
}

/** Reads `host:port` or `[ipv6]:port`; undefined for anything else. Names are not resolved. */
export function parseAddress(text: string): Address | undefined {
  const parts = /^(?:\[([0-9a-fA-F:.%a-z]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text);
  if (parts === null) return undefined;
  const port = Number(parts[3]);
  if (port < 1 || port > 65535) return undefined;
  return { host: (parts[1] ?? parts[2])!, port };
}

/** Reads addresses with commas between them; undefined if one of them is none. */
export function parseAddresses(text: string): Address[] | undefined {
  const addresses = text.split(',').map((each) => parseAddress(each.trim()));
  return addresses.every((address) => address !== undefined) ? addresses : undefined;
}

export function formatAddress(address: Address): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}
