/** What stands on the wire of a client, given bytes that are almost right, and how much memory they take. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mutated } from '../core/mutated-bytes.test-support.ts';
import { FrameDecoder, FrameWriter } from './frames.ts';
import { errorFromText, parseRequest, REQUEST_LIMITS, writeRequest } from './protocol.ts';

const REQUESTS = [
  'REGISTER topic',
  'PUT topic a record  with spaces ',
  'PUT tôpic \u00a0\u2003',
  'GET topic',
  'FETCH topic 1 23',
  'STATE topic',
  'METRICS',
].map((text) => new TextEncoder().encode(text));

test('a request that is almost right is read or malformed, and what is read can be written and read again', () => {
  fc.assert(
    fc.property(mutated(REQUESTS), (bytes) => {
      const request = parseRequest(bytes);
      if (request.kind === 'malformed') return;
      const writer = new FrameWriter();
      try {
        writeRequest(writer, request);
      } catch (error) {
        // White space of other kinds than those that part a request.
        expect(error).toMatchObject({ code: 'InvalidTopic' });
        return;
      }
      expect(parseRequest(writer.take().subarray(4))).toEqual(request);
    }),
    { numRuns: 3000 },
  );
});

test('an error of any text is one that is known', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(errorFromText(text)).toMatchObject({ name: 'WalrusError' });
    }),
  );
});

test('a frame that comes in many small pieces takes little more memory than its bytes', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const usedBytes = (): number => {
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const sizeBytes = REQUEST_LIMITS.maxFrameBytes;
  const connections = 20;
  const before = usedBytes();
  const decoders = Array.from({ length: connections }, () => {
    const ignore = { onFrame: () => {}, onInvalidLength: () => {} };
    return new FrameDecoder(REQUEST_LIMITS, ignore);
  });
  for (const decoder of decoders) {
    decoder.push(Uint8Array.of(sizeBytes & 0xff, (sizeBytes >> 8) & 0xff, sizeBytes >> 16, 0));
    for (let i = 1; i < sizeBytes; i++) decoder.push(Uint8Array.of(i));
  }
  const takenBytes = usedBytes() - before;
  expect(takenBytes).toBeLessThan(4 * connections * sizeBytes);
  expect(decoders).toHaveLength(connections);
});
