/** One member of a cluster, as a process: from its flags to its exit code. */
import type { Logger } from 'pino';
import { WalrusError } from '../core/errors.ts';
import { type ProcessConfig, readConfig } from './config.ts';
import { EXIT, exitCodeOf } from './exit-code.ts';
import { openLog } from './log.ts';
import { type RunningNode, startNode } from './node-process.ts';

/** A node that was asked to leave and has not by then is ended. */
const LEAVE_MS = 10_000;

/** Runs until the node has ended and returns the process's exit code. */
export async function runNode(flags: Record<string, unknown>): Promise<number> {
  let config: ProcessConfig;
  try {
    config = readConfig(flags, process.env);
  } catch (error) {
    if (!(error instanceof WalrusError)) throw error;
    process.stderr.write(`error: ${error.message.replaceAll('\n', '\nerror: ')}\n`);
    return EXIT.usage;
  }
  let log: Logger;
  try {
    log = openLog(config.node.id, config.logLevel, config.logFile);
  } catch (error) {
    process.stderr.write(`error: --log-file: ${(error as Error).message}\n`);
    return EXIT.usage;
  }
  const reason = await runToTheEnd(config, log);
  const code = exitCodeOf(reason);
  if (reason === undefined) log.info('stopped');
  else log.fatal({ code, reason: describe(reason) }, 'the node has ended');
  // What is still open (sockets of peers, say) must not keep a node alive that is no more.
  setImmediate(() => process.exit(code));
  return code;
}

async function runToTheEnd(config: ProcessConfig, log: Logger): Promise<Error | undefined> {
  const crashed = new Promise<Error>((resolve) => {
    process.on('uncaughtException', resolve);
    process.on('unhandledRejection', (reason) => resolve(reason as Error));
  });
  let node: RunningNode | undefined;
  let leaving = false;
  const leave = (signal: NodeJS.Signals): void => {
    log.info({ signal }, 'leaving');
    leaving = true;
    node?.stop();
    setTimeout(() => process.exit(EXIT.bug), LEAVE_MS).unref();
  };
  process.once('SIGTERM', leave).once('SIGINT', leave);
  try {
    node = await startNode(config, log);
    if (leaving) node.stop();
    return await Promise.race([node.ended, crashed]);
  } catch (error) {
    return error as Error;
  }
}

/** What the world did is told in one line; of a bug it takes the stack to find it. */
function describe(reason: Error): string {
  if (reason instanceof WalrusError) return `${reason.code}: ${reason.message}`;
  const isSystems = (reason as NodeJS.ErrnoException).code !== undefined;
  return isSystems ? reason.message : (reason.stack ?? String(reason));
}
