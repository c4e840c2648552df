import { createHash } from 'node:crypto';
import { WalrusError } from '../core/errors.ts';
import { isWellFormed } from '../core/utf8.ts';

/** Longer ones are named by their digest: file systems take 255 bytes. */
const NAME_BYTES_MAX = 200;

/**
 * The directory name of a namespace: different for different namespaces, also where the file system ignores case or
 * normalises Unicode, and never a way to another directory. Small letters, digits, `_` and `-` stay; every
 * other byte of the UTF-8 form becomes `%` and two hex digits.
 */
export function namespaceDirectory(namespace: string): string {
  if (!isWellFormed(namespace)) {
    throw new WalrusError('InvalidArgument', 'the namespace has half a surrogate pair in it');
  }
  let name = '';
  for (const byte of Buffer.from(namespace)) {
    const character = String.fromCharCode(byte);
    name += /[a-z0-9_-]/.test(character) ? character : `%${byte.toString(16).padStart(2, '0')}`;
  }
  if (name === '') return '%empty';
  if (name.length <= NAME_BYTES_MAX) return name;
  return `%sha256-${createHash('sha256').update(namespace).digest('hex')}`;
}
