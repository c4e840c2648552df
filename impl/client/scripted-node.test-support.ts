/** A TCP server that answers requests as a test says. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { FrameDecoder, FrameWriter } from './frames.ts';
import { parseRequest, REQUEST_LIMITS, type Request } from './protocol.ts';
import { HELLO, readRequestV2, writeAnswerV2 } from './wire-v2.ts';

/** The answer's text; undefined leaves the request unanswered. */
export type Script = (request: Request, socket: Socket, count: number) => string | undefined;

export interface ScriptedNode {
  readonly address: string;
  readonly requests: readonly Request[];
  close(): Promise<void>;
}

export async function startScriptedNode(script: Script): Promise<ScriptedNode> {
  const requests: Request[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const writer = new FrameWriter();
    let isV2 = false;
    const decoder = new FrameDecoder(REQUEST_LIMITS, {
      onFrame: (bytes) => {
        if (Buffer.from(bytes).toString() === HELLO) {
          isV2 = true;
          const limits = { frameBytes: 1, batchRecords: 1, batchBytes: 1, unanswered: 1 };
          const greeting = { version: 2, node: 1, limits };
          writeAnswerV2(writer, { kind: 'greeting', id: 0, greeting });
          return;
        }
        const asked = isV2 ? readRequestV2(bytes) : undefined;
        const line = asked === undefined ? bytes : (asked as { line: Uint8Array }).line;
        const request = parseRequest(line);
        requests.push(request);
        const answer = script(request, socket, requests.length);
        if (answer === undefined) return;
        if (asked === undefined) writer.frame(answer);
        else writeAnswerV2(writer, { kind: 'line', id: asked.id, line: Buffer.from(answer) });
      },
      onInvalidLength: () => socket.destroy(),
    });
    socket.on('data', (chunk) => {
      decoder.push(chunk);
      if (!socket.destroyed && writer.lengthBytes > 0) socket.write(writer.take());
    });
    socket.on('error', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
