/** One node with everything around it: disk, links to the others, the client port, log, trace. */
import { lookup } from 'node:dns/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { type Address, formatAddress, parseAddress } from '../client/address.ts';
import { WalrusError } from '../core/errors.ts';
import type { TraceEvent } from '../core/trace.ts';
import { decodeEnvelope, encodeEnvelope } from '../node/message-codec.ts';
import type { Envelope } from '../node/messages.ts';
import { Node } from '../node/node.ts';
import type { NodePorts } from '../node/ports.ts';
import { type HttpConfig, isWildcard, type ProcessConfig } from './config.ts';
import { createDirectory } from './directory.ts';
import { Events } from './events.ts';
import { Host } from './host.ts';
import { type HttpPages, type Observed, reasonsNotReady, startHttp } from './http.ts';
import { MeasuredDisk } from './measured-disk.ts';
import { Metrics, TOPICS_MAX } from './metrics.ts';
import { NdjsonTraceSink } from './ndjson-trace-sink.ts';
import { openDisk } from './open-disk.ts';
import { ClientServer, type Service } from './server.ts';
import { freeBytes, reportOf } from './status.ts';
import { systemClock } from './system-clock.ts';
import { systemRandom } from './system-random.ts';
import { TcpNetwork } from './tcp-network.ts';
import { TracedDisk } from './traced-disk.ts';

export interface RunningNode {
  readonly clientAddress: Address;
  readonly raftAddress: Address;
  /** Resolves when the node is no more: with why it died or failed, or undefined if it was stopped. */
  readonly ended: Promise<Error | undefined>;
  /** Leaves in good order: hands leases and leadership over, answers what is under way. */
  stop(): void;
}

/** How long a node that leaves waits for its clients to read their answers. */
const LAST_ANSWERS_MS = 2_000;
/** Room for batches under way to the disk, each of `batchBytes`. */
const ARENA_BATCHES = 16;

/** Rejects if an address cannot be bound or resolved; nothing is left behind then but the process's end. */
export async function startNode(config: ProcessConfig, log: Logger): Promise<RunningNode> {
  await checkAdvertised(config);
  await createDirectory(config.directory).catch((error: Error) => badFlag('--data-dir', error));
  const { id } = config.node;
  const metrics = new Metrics(() => ({
    metrics: host.metrics() as Record<string, unknown>,
    isReady: reasons().length === 0,
    diskIsFull: host.diskIsFull,
    diskFreeBytes: freeBytes(config.directory),
    storage: host.storage,
    damage: host.damage,
    connections: server.connectionCount,
    underWay: server.underWay,
    view: host.view(TOPICS_MAX),
  }));
  const events = new Events(id, log, config.directory, (event, reason) =>
    metrics.event(event, reason),
  );
  let onEnd: (reason: Error | undefined) => void = () => {};
  const nodeEnded = new Promise<Error | undefined>((resolve) => {
    onEnd = resolve;
  });
  const host = new Host<Envelope>(
    systemClock,
    (reason) => onEnd(reason),
    (full) => events.diskFull(full),
    (reason) => events.excluded(reason),
  );
  const network = new TcpNetwork<Envelope>({
    node: id,
    cluster: config.cluster,
    codec: { encode: encodeEnvelope, decode: decodeEnvelope },
    onMessage: (_, envelope) => host.receive(envelope),
    onEvent: (event) => events.link(event),
  });
  let httpAddress: string | undefined;
  const service: Service = {
    request: (operation, reply) => host.request(operation, reply),
    changeNode: (wish, dryRun, reply) => host.changeNode(wish, dryRun, reply),
    disks: () => host.disks(),
    topicState: (topic) => host.topicState(topic),
    ownerOf: (topic) => host.ownerOf(topic),
    view: (topicsMax) => host.view(topicsMax),
    metrics: () => ({ ...host.metrics(), http_address: httpAddress }),
  };
  const server = new ClientServer(service, {
    node: id,
    maxConnections: config.maxConnections,
    onTrouble: (reason) => log.warn({ reason }, 'client port'),
    onAnswered: (answered) => metrics.answered(answered),
  });
  const { disk, checksum, arena, way, reason } = openDisk(
    config.directory,
    config.disk,
    (completions) => {
      measured.completed(completions);
      host.complete(completions);
    },
    // What goes out to other nodes must not wait for this one's disk.
    { inline: false, syncsEach: true },
  );
  const measured = new MeasuredDisk(disk, (op, seconds) => metrics.disk(op, seconds));
  log.info({ disk: way, reason, directory: config.directory }, 'disk');
  const trace = openTrace(config.traceFile, log);

  const raftAddress = await bound('--raft', config.raft, network.listen(config.raft));
  const clientAddress = await bound('--client', config.client, server.listen(config.client));
  const observe = (): Observed => ({
    status: host.status,
    exclusion: host.exclusion,
    diskIsFull: host.diskIsFull,
    damagedRecords: host.damage?.standing ?? 0,
    metrics: host.metrics() as Record<string, unknown>,
  });
  const reasons = (): string[] => reasonsNotReady(observe());
  const http = await openHttp(config.http, log, {
    metrics,
    observe,
    report: () =>
      reportOf({ node: id, directory: config.directory, reasons: reasons(), host, events }),
  });
  httpAddress = http && formatAddress(addressOf(http, config.node.raftAddress));

  const ports: NodePorts = {
    clock: systemClock,
    random: systemRandom,
    network,
    disk: trace === undefined ? measured : new TracedDisk(measured, () => trace.flush()),
    checksum,
    arena: arena(config.node.batchBytes * ARENA_BATCHES),
    notice: (notice) => events.notice(notice),
    trace,
    raftTrace: trace,
  };
  host.run(new Node(config.node, ports));
  log.info(
    {
      raft: formatAddress(raftAddress),
      client: formatAddress(clientAddress),
      http: httpAddress ?? 'off',
    },
    'listening',
  );

  // The disk is not closed: the kernel may still be writing, and the end of the process gives the directory back.
  const ended = nodeEnded.then(async (reason) => {
    http?.close();
    const answered = server.close();
    await Promise.race([answered, new Promise((done) => setTimeout(done, LAST_ANSWERS_MS))]);
    server.destroy();
    await network.close();
    trace?.close();
    return reason;
  });
  return { clientAddress, raftAddress, ended, stop: () => host.stop() };
}

function openTrace(file: string | undefined, log: Logger): NdjsonTraceSink<TraceEvent> | undefined {
  if (file === undefined) return undefined;
  try {
    return new NdjsonTraceSink<TraceEvent>(file, (error) =>
      log.error({ reason: error.message }, 'the trace has ended'),
    );
  } catch (error) {
    return badFlag('--trace-file', error as Error);
  }
}

function badFlag(flag: string, { message }: Error): never {
  throw new WalrusError('InvalidArgument', `${flag}: ${message}`);
}

/** A port that nobody asked for is done without if somebody has it: the node has more to do than to be watched. */
async function openHttp(
  config: HttpConfig | undefined,
  log: Logger,
  pages: HttpPages,
): Promise<Server | undefined> {
  if (config === undefined) return undefined;
  const listening = bound('--http', config, startHttp(config, pages));
  if (config.isAsked) return listening;
  return listening.catch((error: Error) => {
    log.warn({ reason: error.message }, 'no metrics');
    return undefined;
  });
}

/** Where others find it: a server that listens everywhere is found where the other nodes find this one. */
function addressOf(server: Server, raftAddress: string): Address {
  const { address, port } = server.address() as AddressInfo;
  const host = isWildcard(address) ? (parseAddress(raftAddress)?.host ?? address) : address;
  return { host, port };
}

/** Says what to do about an address that cannot be listened on: `flag` without its last word. Keeps the system's `code`. */
async function bound<Result>(
  flag: '--raft' | '--client' | '--http',
  { host, port }: { readonly host: string; readonly port: number },
  listening: Promise<Result>,
): Promise<Result> {
  return listening.catch((error: NodeJS.ErrnoException) => {
    const { code = '' } = error;
    const address = formatAddress({ host, port });
    const [what, wrong] = BIND_FAILURES[code] ?? [error.message, 'port'];
    const message = `${address}: ${what}; choose another ${flag}-${wrong}`;
    throw Object.assign(new Error(`${message} (${code})`), { code });
  });
}

/** What it means, and which flag mends it. */
const BIND_FAILURES: Readonly<Record<string, readonly [string, 'host' | 'port']>> = {
  EADDRINUSE: ['is in use by another process', 'port'],
  EADDRNOTAVAIL: ['this machine has no such address', 'host'],
  ENOTFOUND: ['there is no host of that name', 'host'],
  EAI_AGAIN: ['no host of that name can be found now', 'host'],
  EAFNOSUPPORT: ['this machine has no addresses of that kind', 'host'],
  EINVAL: ['this is no address to listen at', 'host'],
  EACCES: ['this user may not listen there', 'port'],
};

/** A name that this machine itself cannot resolve is most likely a typing error. */
async function checkAdvertised({ node, raft }: ProcessConfig): Promise<void> {
  const host = parseAddress(node.raftAddress)?.host ?? node.raftAddress;
  const flag = host === raft.host ? '--raft-host' : '--raft-advertise-host';
  await lookup(host).catch(() =>
    badFlag(flag, new Error(`${host}: this machine finds no host of that name`)),
  );
}
