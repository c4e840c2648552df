/**
 * Keeps a directory for one process, with no lock call in Node.js to do it with.
 *
 * A contender listens on a Unix socket of a name never used before (`lock-<pid>-<host>-<random>.sock`) inside the
 * directory, and only then looks for the sockets of others: whoever accepts a connection lives, and the
 * contender steps back; whoever refuses it is dead, and its name is removed. The kernel ends a socket together
 * with its process, so a crash leaves nothing that anyone must judge by age or by the number of a process, and because names are
 * never used twice, removing a dead one can never remove a live one. Two contenders that meet both step back and try
 * again after a random while; a holder never does.
 *
 * A file system without sockets (exFAT, FAT, some network and shared ones) gets one without a file on Linux, in the kernel's abstract
 * namespace; its name is the directory's device and inode.
 *
 * Excludes processes and worker threads of one machine, and its containers, as long as the file system has sockets; not two machines
 * on one network file system.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { type BigIntStats, closeSync, fstatSync, fsync, openSync } from 'node:fs';
import { lstat, readdir, stat, unlink } from 'node:fs/promises';
import { connect, createServer, type ListenOptions, type Server } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { delay } from './timers.ts';

const LOCK_NAME = /^lock-(\d+)-([\w.]*)-[0-9a-f]{16}\.sock$/;
const HOST_CHARACTERS_MAX = 24;
const ATTEMPTS_MAX = 4;
/** The kernel takes 108 bytes on Linux and 104 elsewhere, with the end mark. */
const SOCKET_PATH_BYTES_MAX = 100;
/** Filled up to the end, since versions of Node.js differ about where a shorter one ends. */
const ABSTRACT_NAME_BYTES = 107;
/** What file systems that know no sockets say to one; some by way of FUSE make a plain file and say EIO. */
const NO_SOCKETS = new Set(['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'EINVAL', 'EIO']);

export class DirectoryLockedError extends Error {
  override readonly name = 'DirectoryLockedError';
}

export class DirectoryLock {
  readonly #directory: string;
  readonly #directoryFd: number;
  readonly #inode: string;
  readonly #server: Server;
  /** Of the socket's file; none if it has none. */
  readonly #name: string | undefined;

  private constructor(directory: string, fd: number, server: Server, name: string | undefined) {
    this.#directory = directory;
    this.#directoryFd = fd;
    this.#inode = inodeOf(fstatSync(fd, { bigint: true }));
    this.#server = server;
    this.#name = name;
  }

  /** Takes the directory, which must exist. Throws `DirectoryLockedError` while another has it. */
  static async acquire(directory: string): Promise<DirectoryLock> {
    const directoryFd = openSync(directory, 'r');
    let server: Server | undefined;
    try {
      for (let attempt = 1; ; attempt++) {
        const name = newName(directory);
        const socket = await listen(directory, directoryFd, name);
        server = socket?.server;
        const holder =
          socket === undefined
            ? 'another process'
            : await findHolder(directory, directoryFd, socket.name);
        if (socket !== undefined && holder === undefined) {
          return new DirectoryLock(directory, directoryFd, socket.server, socket.name);
        }
        if (server !== undefined) await close(server);
        server = undefined;
        if (attempt === ATTEMPTS_MAX) {
          throw new DirectoryLockedError(`${directory} is locked by ${holder}`);
        }
        await delay(randomInt(2, 20));
      }
    } catch (error) {
      // Whoever cannot look for others holds nothing.
      if (server !== undefined) await close(server);
      closeSync(directoryFd);
      throw error;
    }
  }

  /**
   * Whether the path still leads to what was locked. If the directory was removed, emptied or replaced, another may be at work
   * there.
   */
  async isIntact(): Promise<boolean> {
    try {
      if (this.#name !== undefined) await lstat(join(this.#directory, this.#name));
      return inodeOf(await stat(this.#directory, { bigint: true })) === this.#inode;
    } catch (error) {
      if (isCode(error, 'ENOENT', 'ENOTDIR')) return false;
      throw error;
    }
  }

  /** Makes creations, renames and removals in the directory durable. Needs no further descriptor. */
  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fsync(this.#directoryFd, (error) => (error ? reject(error) : resolve()));
    });
  }

  async release(): Promise<void> {
    await close(this.#server);
    closeSync(this.#directoryFd);
  }
}

/** Who has the directory; undefined if nobody has a live socket in it. Changes nothing. */
export async function holderOf(directory: string): Promise<string | undefined> {
  const directoryFd = openSync(directory, 'r');
  try {
    for (const name of await readdir(directory)) {
      const parts = LOCK_NAME.exec(name);
      if (parts === null) continue;
      if (await accepts(socketPath(directory, directoryFd, name))) return named(parts);
    }
    return undefined;
  } finally {
    closeSync(directoryFd);
  }
}

function named([, pid, host]: RegExpExecArray): string {
  if (Number(pid) === process.pid && host === plainHost()) return 'this process';
  return `process ${pid}${host === '' ? '' : ` on host ${host}`}`;
}

/**
 * Who has a live socket in the directory, but for our own; removes the dead ones that it meets, if it may. One that met ours after it
 * was bound and before it listened takes it for dead: it lives as long as it has not removed it, so that is looked at last.
 */
async function findHolder(
  directory: string,
  directoryFd: number,
  own: string | undefined,
): Promise<string | undefined> {
  for (const name of await readdir(directory)) {
    const parts = LOCK_NAME.exec(name);
    if (name === own || parts === null) continue;
    if (await accepts(socketPath(directory, directoryFd, name))) {
      return named(parts);
    }
    await unlink(join(directory, name)).catch(() => {});
  }
  if (own !== undefined && !(await readdir(directory)).includes(own)) return 'another process';
  return undefined;
}

/** A server on a socket in the directory, or without a file; undefined if another has that one. */
async function listen(
  directory: string,
  directoryFd: number,
  name: string,
): Promise<{ server: Server; name: string | undefined } | undefined> {
  try {
    // Its owner's alone to use, but anybody's to ask whether it lives.
    const rights = { readableAll: true, writableAll: true };
    const path = socketPath(directory, directoryFd, name);
    return { server: await listenOn({ path, ...rights }), name };
  } catch (error) {
    // Another took it for dead before it listened, and removed it.
    if ((error as NodeJS.ErrnoException).syscall === 'uv_pipe_chmod' && isCode(error, 'ENOENT')) {
      return undefined;
    }
    if (!NO_SOCKETS.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    await unlink(join(directory, name)).catch(() => {});
    if (process.platform !== 'linux') {
      const reason = (error as Error).message;
      throw new Error(`${directory} cannot be locked, its file system has no sockets: ${reason}`);
    }
  }
  const { dev, ino } = fstatSync(directoryFd, { bigint: true });
  const path = `\0${`walrus-${dev}-${ino}`.padEnd(ABSTRACT_NAME_BYTES, '-')}`;
  try {
    return { server: await listenOn({ path }), name: undefined };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw error;
  }
}

function newName(directory: string): string {
  const random = randomBytes(8).toString('hex');
  const name = `lock-${process.pid}-${plainHost()}-${random}.sock`;
  return isShort(join(directory, name)) || process.platform === 'linux'
    ? name
    : `lock-${process.pid}--${random}.sock`;
}

function plainHost(): string {
  return hostname()
    .replace(/[^\w.]/g, '')
    .slice(0, HOST_CHARACTERS_MAX);
}

/** A long path is reached through the open directory instead: socket paths are short by law of the kernel. */
function socketPath(directory: string, directoryFd: number, name: string): string {
  const path = join(directory, name);
  if (isShort(path)) return path;
  if (process.platform === 'linux') return `/proc/self/fd/${directoryFd}/${name}`;
  throw new Error(`path too long to be locked: ${directory}`);
}

function isShort(path: string): boolean {
  return Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX;
}

function listenOn(options: ListenOptions): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    // Exclusive: in a cluster worker the socket would otherwise be opened by the primary, and outlive the worker.
    server.listen({ ...options, exclusive: true }, () => {
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
    socket.once('error', (error) => {
      // Anything else, such as a full queue or a refused permission, comes from a socket that somebody has.
      resolve(!isCode(error, 'ECONNREFUSED', 'ENOENT'));
    });
  });
}

function inodeOf({ dev, ino }: BigIntStats): string {
  return `${dev}-${ino}`;
}

function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException).code ?? '');
}
