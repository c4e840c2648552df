/** The lines of a stream of bytes. */

/** A line that cannot be sent as it is, and why. */
export class BadLine extends Error {}

/** It cannot even be read. */
export class NoText extends BadLine {}

const LINE_FEED = 10;

/**
 * Text between line feeds, without a carriage return before one. A last line needs no end. Throws `NoText` at the first line that
 * is no UTF-8: decoding it in some way would send something else.
 */
export async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of input) {
    let from = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, from)) {
      parts.push(chunk.subarray(from, end));
      from = end + 1;
      yield textOf(parts.splice(0));
    }
    if (from < chunk.length) parts.push(chunk.subarray(from));
  }
  if (parts.length > 0) yield textOf(parts);
}

function textOf(parts: readonly Uint8Array[]): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      Buffer.concat(parts),
    );
    return text.endsWith('\r') ? text.slice(0, -1) : text;
  } catch {
    throw new NoText('it is no UTF-8 text');
  }
}
