import fc from 'fast-check';
import { expect, test } from 'vitest';
import { namespaceDirectory } from './namespace.ts';

test('common names can be read', () => {
  expect(namespaceDirectory('orders-2026_a')).toBe('orders-2026_a');
  expect(namespaceDirectory('prod/payments::v1')).toBe('prod%2fpayments%3a%3av1');
});

test('no namespace leads out of its directory', () => {
  for (const hostile of ['..', '.', '', '/', '/etc', '../..', 'a/../../b', '\0', 'C:\\x', '~']) {
    const name = namespaceDirectory(hostile);
    expect(name).toMatch(/^[a-z0-9_%-]+$/);
  }
});

test('what upstream gave one directory has two', () => {
  const pairs = [
    ['a/b', 'a_b'],
    ['', 'ns_cbf29ce484222325'],
    ['A', 'a'],
    ['%empty', ''],
    ['%2f', '/'],
    ['\u00e9', 'e\u0301'],
  ];
  for (const [one, other] of pairs) {
    expect(namespaceDirectory(one!)).not.toBe(namespaceDirectory(other!));
  }
});

test('different namespaces never share, lower case or not', () => {
  const text = fc.string({ unit: 'binary', maxLength: 300 });
  fc.assert(
    fc.property(text, text, (one, other) => {
      const names = [namespaceDirectory(one), namespaceDirectory(other)];
      expect(names[0]!.length).toBeLessThan(256);
      expect(names[0]!.toLowerCase()).toBe(names[0]);
      expect(names[0] === names[1]).toBe(one === other);
    }),
  );
});

test('half a surrogate pair is refused', () => {
  expect(() => namespaceDirectory('a\ud800')).toThrow(/surrogate/);
});
