/** Takes the directory of its first argument, says what came of it, and stays until it is killed. */
import { DirectoryLock } from './directory-lock.ts';

DirectoryLock.acquire(process.argv[2]!).then(
  () => {
    console.log('holding');
    setInterval(() => {}, 60_000);
  },
  (error: Error) => {
    console.log(error.name);
  },
);
