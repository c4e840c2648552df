/** One question to whichever of several nodes can answer it. */
import { WalrusError } from '../core/errors.ts';
import { type Address, formatAddress } from './address.ts';
import { Connection } from './connection.ts';
import type { FrameWriter } from './frames.ts';
import { errorFromText } from './protocol.ts';

export interface Asked {
  readonly addresses: readonly Address[];
  readonly timeoutMs: number;
}

export interface Answered {
  /** Never an `ERR`. */
  readonly answer: string;
  /** Who gave it. */
  readonly address: Address;
}

/** Of several nodes, one that is dead costs no more than this, in milliseconds. */
const CONNECT_TIMEOUT_MS = 2_000;

/**
 * Sends one request and gives its answer. It goes on to the next address as long as it is certain that nothing was done; what may
 * have been done is never sent again. Fails with what the last node said, or with `Unavailable` that names all addresses.
 */
export async function ask(
  { addresses, timeoutMs }: Asked,
  write: (writer: FrameWriter) => void,
): Promise<Answered> {
  const failures: WalrusError[] = [];
  let reached: WalrusError | undefined;
  for (const address of addresses) {
    try {
      const connection = await Connection.open(address, {
        connectTimeoutMs:
          addresses.length > 1 ? Math.min(timeoutMs, CONNECT_TIMEOUT_MS) : timeoutMs,
        requestTimeoutMs: timeoutMs,
      });
      try {
        const answer = Buffer.from(await connection.request(write)).toString();
        if (!answer.startsWith('ERR ')) return { answer, address };
        reached = errorFromText(answer.slice('ERR '.length));
        throw reached;
      } finally {
        connection.close();
      }
    } catch (error) {
      if (!(error instanceof WalrusError) || !error.retriable || error.committed !== 'no')
        throw error;
      failures.push(error);
    }
  }
  if (reached !== undefined) throw reached;
  if (failures.length === 1) throw failures[0];
  const asked = addresses.map(formatAddress).join(', ');
  throw new WalrusError('Unavailable', `no node answers at ${asked}`);
}
