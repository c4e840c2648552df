import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Ports under those that the system gives to outgoing connections (from 32768 on Linux), which could take a port
 * between our look and the listener's start. Test files run in processes of their own, side by side: each process
 * begins where no living neighbour does.
 */
const FIRST = 10_000;
const COUNT = 22_000;
const PER_PROCESS = 64;
let next = (process.pid * PER_PROCESS) % COUNT;

/** Ports in a row that nobody listens on now. */
export async function freePorts(count: number): Promise<number[]> {
  let ports: number[] = [];
  while (ports.length < count) {
    const port = FIRST + next;
    next = (next + 1) % COUNT;
    ports = (await isFree(port)) && port !== FIRST ? [...ports, port] : [];
  }
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  // As a node listens: on all addresses.
  server.listen(port);
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
