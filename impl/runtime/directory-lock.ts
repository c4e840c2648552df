/**
 * Keeps a directory for one process, with no lock call in Node.js to do it with.
 *
 * A contender listens on a Unix socket of a name never used before (`claim-<pid>-<random>.sock`) inside the
 * directory, and only then looks for the claims of others: whoever accepts a connection lives, and the
 * contender steps back; whoever refuses it is dead, and its name is removed. The kernel ends a claim together
 * with its process, so a crash leaves nothing that anyone must judge by age, and because names are never used
 * twice, removing a dead one can never remove a live one. Two contenders that meet both step back and try
 * again after a random while; a holder never does.
 *
 * Excludes processes, containers and worker threads of one machine; not two machines on one network file
 * system.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { readdir, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { delay } from './timers.ts';

const CLAIM_NAME = /^claim-(\d+)-[0-9a-f]{16}\.sock$/;
const ATTEMPTS_MAX = 4;
/** The kernel takes 108 bytes on Linux and 104 elsewhere, with the end mark. */
const SOCKET_PATH_BYTES_MAX = 100;

export class DirectoryLockedError extends Error {
  override readonly name = 'DirectoryLockedError';
}

export class DirectoryLock {
  readonly #server: Server;
  readonly #directoryFd: number;

  private constructor(server: Server, directoryFd: number) {
    this.#server = server;
    this.#directoryFd = directoryFd;
  }

  /** Takes the directory, which must exist. Throws `DirectoryLockedError` while another has it. */
  static async acquire(directory: string): Promise<DirectoryLock> {
    const directoryFd = openSync(directory, 'r');
    try {
      for (let attempt = 1; ; attempt++) {
        const claim = `claim-${process.pid}-${randomBytes(8).toString('hex')}.sock`;
        const server = await listen(socketPath(directory, directoryFd, claim));
        const holder = await findHolder(directory, directoryFd, claim);
        if (holder === undefined) return new DirectoryLock(server, directoryFd);
        await close(server);
        if (attempt === ATTEMPTS_MAX) {
          const pid = CLAIM_NAME.exec(holder)?.[1];
          throw new DirectoryLockedError(`${directory} is in use by process ${pid} (${holder})`);
        }
        await delay(randomInt(2, 20));
      }
    } catch (error) {
      closeSync(directoryFd);
      throw error;
    }
  }

  async release(): Promise<void> {
    await close(this.#server);
    closeSync(this.#directoryFd);
  }
}

/** The name of a live claim other than our own; removes the dead ones that it meets. */
async function findHolder(
  directory: string,
  directoryFd: number,
  own: string,
): Promise<string | undefined> {
  for (const name of await readdir(directory)) {
    if (name === own || !CLAIM_NAME.test(name)) continue;
    if (await accepts(socketPath(directory, directoryFd, name))) return name;
    await unlink(join(directory, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
  return undefined;
}

/** A long path is reached through the open directory instead: socket paths are short by law of the kernel. */
function socketPath(directory: string, directoryFd: number, name: string): string {
  const path = join(directory, name);
  if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX) return path;
  if (process.platform === 'linux') return `/proc/self/fd/${directoryFd}/${name}`;
  throw new Error(`path too long to be locked: ${directory}`);
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    // Exclusive: in a cluster worker the socket would otherwise be opened by the primary, and outlive the worker.
    server.listen({ path, exclusive: true }, () => {
      server.unref();
      resolve(server);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      // Anything else, such as a full queue or a refused permission, comes from a socket that somebody has.
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}
