/** `walrus node`: its flags. */
import { type Command, Option } from 'commander';
import { EXIT } from './exit-code.ts';
import { FLAG_DEFAULTS } from './flag-defaults.ts';

/** Gives the command, below which others may stand. */
export function addNodeCommand(program: Command): Command {
  const list = (value: string, before: readonly string[]): string[] => [...before, value];
  const defaults = FLAG_DEFAULTS;
  return program
    .command('node')
    .description('run one member of a cluster')
    .option('--node-id <n>', 'number of this node, kept with its data', String(defaults.nodeId))
    .option('--data-dir <dir>', 'where data is kept, in DIR/node_N', defaults.dataDir)
    .option('--raft-host <host>', 'listen here for other nodes', defaults.raftHost)
    .option('--raft-port <port>', 'TCP port for other nodes', String(defaults.raftPort))
    .option('--raft-advertise-host <host>', 'where other nodes find this one (default: raft host)')
    .option('--client-host <host>', 'listen here for clients', defaults.clientHost)
    .option('--client-port <port>', 'TCP port for clients', String(defaults.clientPort))
    .addOption(new Option('--port <port>', 'the same as --client-port').hideHelp())
    .option('--client-advertise-host <host>', 'where clients find this one (default: client host)')
    .option('--join <host:port>', 'raft address of any member; may be repeated', list, [])
    .option('--initial-peer <host:port>', 'the same, ignored by node 1', list, [])
    .option('--replace', "an earlier disk of this node's id is gone for good", false)
    .option(
      '--found-after-ms <ms>',
      'node 1, its disk empty, listens so long before it founds a cluster',
      String(defaults.foundAfterMs),
    )
    .option('--cluster <name>', 'nodes of other clusters are turned away', defaults.cluster)
    .option('--disk <way>', 'auto, io_uring, pwrite or portable', defaults.disk)
    .option('--replication-factor <n>', 'copies of each record', String(defaults.replicationFactor))
    .option(
      '--election-timeout-ms <ms>',
      'least silence before an election',
      String(defaults.electionTimeoutMs),
    )
    .option('--heartbeat-ms <ms>', 'how often the Raft leader speaks', String(defaults.heartbeatMs))
    .option('--lease-ms <ms>', 'how long an owner writes unheard', String(defaults.leaseMs))
    .option(
      '--failover-ms <ms>',
      'silence that costs a node its segments',
      String(defaults.failoverMs),
    )
    .option(
      '--operation-timeout-ms <ms>',
      'a request is answered by then',
      String(defaults.operationTimeoutMs),
    )
    .option(
      '--repair-after-ms <ms>',
      'copies on a node that is silent for so long are made again on others',
      String(defaults.repairAfterMs),
    )
    .option(
      '--repair-bytes-per-second <n>',
      'but a node takes copies no faster than so',
      String(defaults.repairBytesPerSecond),
    )
    .option(
      '--scrub-every-ms <ms>',
      'all records kept are read once in so long, to find damage',
      String(defaults.scrubEveryMs),
    )
    .option(
      '--scrub-bytes-per-second <n>',
      'but no faster than so; 0 for never',
      String(defaults.scrubBytesPerSecond),
    )
    .option(
      '--clean-bytes-per-second <n>',
      'files of the log of which little is needed are emptied, no faster than so; 0 for never',
      String(defaults.cleanBytesPerSecond),
    )
    .option(
      '--max-connections <n>',
      'client connections at one time',
      String(defaults.maxConnections),
    )
    .option(
      '--http-port <port>',
      'serve /metrics, /livez, /readyz and /status here, or off (default: client port + 100)',
    )
    .option('--http-host <host>', 'listen here for HTTP', defaults.httpHost)
    .option('--log-file <file>', 'write the log here, begun anew, not to stdout')
    .option('--log-level <level>', 'trace, debug, info, warn or error', defaults.logLevel)
    .option('--trace-file <file>', 'append every protocol action to it, one line of JSON each')
    .addHelpText(
      'after',
      `
Variables:
  WALRUS_MAX_SEGMENT_ENTRIES  records in a segment before the next one opens (1000000)
  WALRUS_MONITOR_CHECK_MS     how often full segments are looked for (10000)
  WALRUS_DISABLE_IO_URING     if set, io_uring is not used

Exit codes: ${Object.entries(EXIT)
        .map(([what, code]) => `${code} ${what}`)
        .join(', ')}`,
    )
    .action(async ({ port, ...flags }: Record<string, unknown>) => {
      // Loaded only now: the client's sub-commands, which share this program, start the faster.
      const { runNode } = await import('./run-node.ts');
      const given = port === undefined ? flags : { ...flags, clientPort: port };
      process.exitCode = await runNode(given);
    });
}
