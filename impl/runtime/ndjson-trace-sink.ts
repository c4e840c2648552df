import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import type { TraceSink } from '../ports/trace-sink.ts';

const NEWLINE = 10;

/**
 * Writes each event as one line of JSON. Lines of one input are written together, synchronously, as soon as the input
 * has been handled: before the network, which waits for the end of the turn, and before a `TracedDisk`. So whatever
 * others may know of a process that was killed is in its trace. A file that cannot be written ends the trace, not the node.
 */
export class NdjsonTraceSink<Event> implements TraceSink<Event> {
  private readonly onFailed: (error: Error) => void;
  private fd: number | undefined;
  private lines: string[] = [];

  /**
   * Goes on at the end of the file: earlier lives of the node are part of the story. A line that a killed process left
   * unfinished is left alone, on a line of its own. Throws what the system says if the file cannot be opened.
   */
  constructor(file: string, onFailed: (error: Error) => void) {
    this.onFailed = onFailed;
    this.fd = openSync(file, 'a+');
    if (endsTorn(this.fd)) writeSync(this.fd, '\n');
  }

  emit(event: Event): void {
    if (this.fd === undefined) return;
    if (this.lines.length === 0) queueMicrotask(() => this.flush());
    this.lines.push(JSON.stringify(event));
  }

  flush(): void {
    if (this.fd === undefined || this.lines.length === 0) return;
    const bytes = Buffer.from(`${this.lines.join('\n')}\n`);
    this.lines = [];
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.fd, bytes, at);
    } catch (error) {
      this.fd = undefined;
      this.onFailed(error as Error);
    }
  }

  close(): void {
    this.flush();
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }
}

function endsTorn(fd: number): boolean {
  const sizeBytes = fstatSync(fd).size;
  if (sizeBytes === 0) return false;
  const last = new Uint8Array(1);
  readSync(fd, last, 0, 1, sizeBytes - 1);
  return last[0] !== NEWLINE;
}
