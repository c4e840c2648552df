import { VirtualTime } from '../../sim/clock.ts';
import { SimDisk } from '../../sim/disk.ts';
import { Randomness } from '../../sim/random.ts';
import { diskConformance, powerLossConformance } from './disk.ts';

function makeWorld() {
  const time = new VirtualTime();
  const machine = new SimDisk({
    random: new Randomness('conformance').stream('disk'),
    schedule: (delayMs, task) => time.after(delayMs, task),
  });
  return {
    start: machine.start.bind(machine),
    stop: machine.stop.bind(machine),
    turn() {
      if (time.pending > 0) time.step();
    },
    losePower() {
      machine.powerLoss();
    },
    dispose() {},
  };
}

diskConformance('simulated', makeWorld);
powerLossConformance('simulated', makeWorld);
