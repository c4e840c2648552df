import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isUtf8, utf8Decode, utf8Encode } from './utf8.ts';

test('encodes as the platform does, lone surrogates included', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(utf8Encode(text)).toEqual(new TextEncoder().encode(text));
    }),
  );
  for (const text of ['\ud800', '\udc00x', 'a\ud83d', '\ud83d\ude00', '\uffff']) {
    expect(utf8Encode(text)).toEqual(new TextEncoder().encode(text));
  }
});

test('decodes well-formed bytes as the platform does and calls all others malformed', () => {
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
      let text: string | undefined;
      try {
        text = strict.decode(bytes);
      } catch {
        text = undefined;
      }
      expect(isUtf8(bytes)).toBe(text !== undefined);
      if (text !== undefined) expect(utf8Decode(bytes)).toBe(text);
      else expect(utf8Decode(bytes)).toContain('\ufffd');
    }),
    { numRuns: 2000 },
  );
});
