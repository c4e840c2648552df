/** Asks every node of a cluster what it says of itself. One client address is enough to find the others. */
import { WalrusError } from '../core/errors.ts';
import { type Address, formatAddress, parseAddress } from './address.ts';
import { ask } from './asking.ts';
import { writeRequest } from './protocol.ts';
import type { NodeReport } from './status-report.ts';

/** A node that says nothing for so long is shown as silent, in milliseconds. */
const PATIENCE_MS = 1_500;

/** What is known of a node: what it says, or why it says nothing. */
export type Heard =
  | { readonly address: string; readonly report: NodeReport }
  | { readonly address: string; readonly silence: string };

/** Never fails: a cluster that cannot be reached is an answer, too. */
export async function hearAll(addresses: readonly Address[]): Promise<Heard[]> {
  const given = await Promise.all(addresses.map(hear));
  const asked = new Set(addresses.map(formatAddress));
  const seen = new Set(given.flatMap((each) => ('report' in each ? [each.report.node] : [])));
  const others = new Set<string>();
  for (const each of given) {
    if (!('report' in each)) continue;
    for (const { node, clientAddress } of each.report.members) {
      if (!seen.has(node) && !asked.has(clientAddress)) others.add(clientAddress);
    }
  }
  const found = [...others].map(parseAddress).filter((address) => address !== undefined);
  return [...given, ...(await Promise.all(found.map(hear)))];
}

/** Topics of the cluster, as the first node that answers knows them. */
export async function topicNames(addresses: readonly Address[]): Promise<string[]> {
  for (const address of addresses) {
    const heard = await hear(address);
    if ('report' in heard) return heard.report.topics.map(({ topic }) => topic);
  }
  return [];
}

/** The client port says where the HTTP port is. */
async function hear(address: Address): Promise<Heard> {
  const shown = formatAddress(address);
  try {
    const { answer } = await ask({ addresses: [address], timeoutMs: PATIENCE_MS }, (writer) =>
      writeRequest(writer, { kind: 'metrics' }),
    );
    const { http_address: http } = JSON.parse(answer) as { http_address?: string };
    if (http === undefined) {
      return {
        address: shown,
        silence: 'runs without an HTTP port; start it without --http-port off',
      };
    }
    return await hearOver(shown, http);
  } catch (error) {
    if (!(error instanceof WalrusError)) throw error;
    return { address: shown, silence: error.message.replace(`connect to ${shown}: `, '') };
  }
}

async function hearOver(address: string, http: string): Promise<Heard> {
  try {
    const response = await fetch(`http://${http}/status`, {
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    return { address, report: (await response.json()) as NodeReport };
  } catch {
    const silence = `runs, but its HTTP port ${http} cannot be reached from here; ask on its machine, or start it with --http-host`;
    return { address, silence };
  }
}
