/**
 * What `walrus node` is told: upstream's flags and variables, and ours. Everything is checked before anything
 * starts, and all that is wrong is told at once.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { parseAddress } from '../client/address.ts';
import { WalrusError } from '../core/errors.ts';
import { nodeId } from '../core/ids.ts';
import type { NodeConfig } from '../node/config.ts';
import { FLAG_DEFAULTS } from './flag-defaults.ts';
import type { DiskChoice } from './open-disk.ts';

export interface ProcessConfig {
  readonly node: NodeConfig;
  /** This node's own directory; no other process may have it. */
  readonly directory: string;
  readonly disk: DiskChoice;
  readonly cluster: string;
  readonly raft: { readonly host: string; readonly port: number };
  readonly client: { readonly host: string; readonly port: number };
  /** Metrics, health and status; absent if switched off. `isAsked`: the operator named the port, so the node does not start without it. */
  readonly http: HttpConfig | undefined;
  /** Client connections at one time. */
  readonly maxConnections: number;
  readonly logFile: string | undefined;
  readonly logLevel: string;
  readonly traceFile: string | undefined;
}

export interface HttpConfig {
  readonly host: string;
  readonly port: number;
  readonly isAsked: boolean;
}

/** From a node's client port to its HTTP port, so that several nodes of one machine have one each. */
const HTTP_PORT_DISTANCE = 100;

const port = z.coerce.number().int().min(0).max(65535);
const positive = z.coerce.number().int().min(1);
const host = z.string().min(1).regex(/^\S+$/, 'no host name');
const hostPort = z
  .string()
  .refine((text) => parseAddress(text) !== undefined, 'expected HOST:PORT');

const FLAGS = z.object({
  nodeId: positive.max(2 ** 31),
  dataDir: z.string().min(1),
  raftHost: host,
  raftPort: port,
  raftAdvertiseHost: host.optional(),
  clientHost: host,
  clientPort: port,
  clientAdvertiseHost: host.optional(),
  join: z.array(hostPort),
  initialPeer: z.array(hostPort),
  replace: z.boolean(),
  foundAfterMs: z.coerce.number().int().min(0),
  cluster: z.string().min(1).max(64),
  disk: z.enum(['auto', 'io_uring', 'pwrite', 'portable']),
  replicationFactor: positive.max(7),
  electionTimeoutMs: positive,
  heartbeatMs: positive,
  leaseMs: positive,
  failoverMs: positive,
  operationTimeoutMs: positive,
  scrubEveryMs: positive,
  repairAfterMs: positive,
  repairBytesPerSecond: positive,
  scrubBytesPerSecond: z.coerce.number().int().min(0),
  cleanBytesPerSecond: z.coerce.number().int().min(0),
  maxConnections: positive,
  httpHost: host,
  httpPort: z.literal('off').or(port).optional(),
  logFile: z.string().min(1).optional(),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error']),
  traceFile: z.string().min(1).optional(),
});

/** Flags as the command line gives them, by their names in camel case: not checked yet. */
export type NodeFlags = Readonly<Record<string, unknown>>;

/** As upstream's, but for `WALRUS_DISABLE_IO_URING`, which the native disk reads. What is too small or no number is an error, where upstream takes another value without a word. */
const VARIABLES = z.object({
  WALRUS_MAX_SEGMENT_ENTRIES: atLeast(1, 1_000_000),
  WALRUS_MONITOR_CHECK_MS: atLeast(10, 10_000),
});

function atLeast(least: number, otherwise: number): z.ZodType<number, string | undefined> {
  return z
    .string()
    .regex(/^\d{1,15}$/, 'expected a whole number of at most 15 digits')
    .refine((text) => Number(text) >= least, `at least ${least}`)
    .optional()
    .transform((text) => (text === undefined ? otherwise : Number(text)));
}

/** Throws `InvalidArgument` that names every flag and variable that is wrong. */
export function readConfig(
  given: NodeFlags,
  environment: Readonly<Record<string, string | undefined>>,
): ProcessConfig {
  const parsedFlags = FLAGS.safeParse({ ...FLAG_DEFAULTS, ...given });
  const parsedVariables = VARIABLES.safeParse(environment);
  const wrong = [
    ...describe(parsedFlags.error, flagName),
    ...describe(parsedVariables.error, (name) => name),
  ];
  if (!parsedFlags.success || !parsedVariables.success) {
    throw new WalrusError('InvalidArgument', wrong.join('\n'));
  }
  const flags = parsedFlags.data;
  const variables = parsedVariables.data;
  checkRelations(flags);

  const raftHost = flags.raftAdvertiseHost ?? flags.raftHost;
  // Who listens on all addresses is found where the other nodes find it.
  const clientHost =
    flags.clientAdvertiseHost ?? (isWildcard(flags.clientHost) ? raftHost : flags.clientHost);
  return {
    node: {
      id: nodeId(flags.nodeId),
      ...bootstrapOrJoin(flags),
      replace: flags.replace,
      foundAfterMs: flags.foundAfterMs,
      raftAddress: `${raftHost}:${flags.raftPort}`,
      clientAddress: `${clientHost}:${flags.clientPort}`,
      replicationFactor: flags.replicationFactor,
      maxSegmentEntries: variables.WALRUS_MAX_SEGMENT_ENTRIES,
      monitorCheckMs: variables.WALRUS_MONITOR_CHECK_MS,
      leaseMs: flags.leaseMs,
      failoverMs: flags.failoverMs,
      electionTimeoutMs: flags.electionTimeoutMs,
      heartbeatMs: flags.heartbeatMs,
      operationTimeoutMs: flags.operationTimeoutMs,
      snapshotEveryEntries: 5_000,
      repairAfterMs: flags.repairAfterMs,
      repairBytesPerSecond: flags.repairBytesPerSecond,
      scrubEveryMs: flags.scrubEveryMs,
      scrubBytesPerSecond: flags.scrubBytesPerSecond,
      cleanBytesPerSecond: flags.cleanBytesPerSecond,
      fileBytes: 64 * 1024 * 1024,
      batchBytes: 256 * 1024,
      checkpointBytes: 64 * 1024 * 1024,
    },
    directory: join(flags.dataDir, `node_${flags.nodeId}`),
    disk: flags.disk,
    cluster: flags.cluster,
    raft: { host: flags.raftHost, port: flags.raftPort },
    client: { host: flags.clientHost, port: flags.clientPort },
    http: httpConfig(flags),
    maxConnections: flags.maxConnections,
    logFile: flags.logFile,
    logLevel: flags.logLevel,
    traceFile: flags.traceFile,
  };
}

type Flags = z.output<typeof FLAGS>;

/** A client port that is drawn by the system (0) has an HTTP port that is. */
function httpConfig({ httpHost: host, httpPort, clientPort }: Flags): HttpConfig | undefined {
  if (httpPort === 'off') return undefined;
  if (httpPort !== undefined) return { host, port: httpPort, isAsked: true };
  if (clientPort === 0) return { host, port: 0, isAsked: false };
  const beyond = clientPort + HTTP_PORT_DISTANCE;
  return {
    host,
    port: beyond <= 65_535 ? beyond : clientPort - HTTP_PORT_DISTANCE,
    isAsked: false,
  };
}

/** Whether who listens there listens on all addresses of the machine. */
export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/**
 * As upstream: node 1 without `--join` founds the cluster if its disk is empty, unless it is to replace one. The others ask to be
 * let in; `--initial-peer` names nodes to ask just as `--join` does.
 */
function bootstrapOrJoin(flags: Flags): { bootstrap: boolean; join: readonly string[] } {
  const bootstrap = flags.nodeId === 1 && flags.join.length === 0 && !flags.replace;
  return { bootstrap, join: bootstrap ? [] : [...flags.join, ...flags.initialPeer] };
}

function checkRelations(flags: Flags): void {
  const wrong: string[] = [];
  if (flags.heartbeatMs * 2 > flags.electionTimeoutMs) {
    wrong.push('--heartbeat-ms: at most half of --election-timeout-ms');
  }
  if (flags.heartbeatMs * 2 > flags.leaseMs) {
    wrong.push('--heartbeat-ms: at most half of --lease-ms');
  }
  if (flags.leaseMs > flags.failoverMs) {
    wrong.push('--lease-ms: at most --failover-ms');
  }
  if (
    flags.raftPort !== 0 &&
    flags.raftPort === flags.clientPort &&
    flags.raftHost === flags.clientHost
  ) {
    wrong.push('--client-port: the same as --raft-port');
  }
  if (isWildcard(flags.raftAdvertiseHost ?? flags.raftHost)) {
    wrong.push(
      '--raft-advertise-host: missing. --raft-host listens on all addresses; name the one where other nodes find this one',
    );
  }
  if (flags.clientAdvertiseHost !== undefined && isWildcard(flags.clientAdvertiseHost)) {
    wrong.push('--client-advertise-host: name one address, where clients find this node');
  }
  if (wrong.length > 0) throw new WalrusError('InvalidArgument', wrong.join('\n'));
}

function describe(error: z.ZodError | undefined, nameOf: (key: string) => string): string[] {
  return (error?.issues ?? []).map(({ path, message }) => `${nameOf(String(path[0]))}: ${message}`);
}

function flagName(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
