import { type Logger, pino } from 'pino';

/**
 * The process's log: one JSON object a line, to stdout or to a file begun anew. Lines are written before the
 * call returns, so that the last words of a dying process are there. Payloads of records are never logged.
 */
export function openLog(node: number, level: string, file: string | undefined): Logger {
  const destination = pino.destination({ dest: file ?? 1, sync: true, append: file === undefined });
  return pino({ level, base: { node }, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}
